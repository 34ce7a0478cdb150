import { setTimeout as sleep } from 'node:timers/promises'
import type { FetchBlock } from '../../checkpoints/fetch.ts'
import { weightsParts } from '../../checkpoints/weights-file.ts'
import { matchesCid } from '../../protocol/content-id.ts'
import { errorText, MurmurError } from '../../protocol/errors.ts'
import type { CidText, RunId } from '../../protocol/ids.ts'
import { maxStateBlockBytes } from '../../protocol/limits.ts'
import type { BlockStore } from '../../protocol/ports.ts'
import { type BlockNeed, needsOf, needsWithin } from './needs.ts'
import type { HeadRecord } from './record.ts'

export interface MirrorDependencies {
  readonly blocks: BlockStore
  /** From the leader, or from any worker. */
  readonly fetch: FetchBlock
  /** Brings all blocks of a checkpoint here and keeps them. Going on where it was cut off. */
  fetchCheckpoint(cid: CidText, signal: AbortSignal): Promise<void>
  keepReport(run: RunId, bytes: Uint8Array): Promise<void>
  log(code: string, text: string): void
}

export interface MirrorProgress {
  /** Blocks and checkpoints that are here, of those that the journal asked for. */
  readonly done: number
  readonly waiting: number
  /** Given up: whoever leads asks workers for them again. */
  readonly missing: number
}

/** Blocks fetched at once: a standby's line is shared with the log, which goes first by being small. */
const parallel = 4
/** Needs that wait: the manifests of a long run. Beyond, the newest are left to whoever leads. */
const maxWaiting = 65_536
const attempts = 5
const retryMs = 2_000
const needTimeoutMs = 600_000

/** Keeps, on a standby, the blocks that it would need to lead: fetched as the records that name them arrive. */
export class Mirror {
  readonly #dependencies: MirrorDependencies
  readonly #abort = new AbortController()
  readonly #waiting = new Map<CidText, BlockNeed>()
  readonly #working = new Map<CidText, Promise<void>>()
  readonly #missing = new Set<CidText>()
  #done = 0

  constructor(dependencies: MirrorDependencies) {
    this.#dependencies = dependencies
  }

  get progress(): MirrorProgress {
    return {
      done: this.#done,
      waiting: this.#waiting.size + this.#working.size,
      missing: this.#missing.size,
    }
  }

  offer(record: HeadRecord): void {
    for (const need of needsOf(record)) this.#want(need)
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('stopped'))
    this.#waiting.clear()
    await this.idle()
  }

  #want(need: BlockNeed): void {
    if (this.#abort.signal.aborted || this.#waiting.has(need.cid) || this.#working.has(need.cid)) return
    if (need.kind === 'checkpoint') {
      // Only the newest is needed: older ones that wait are dropped.
      for (const [cid, other] of this.#waiting)
        if (other.kind === 'checkpoint' && other.run === need.run) this.#waiting.delete(cid)
    }
    if (this.#waiting.size >= maxWaiting) {
      this.#missing.add(need.cid)
      return
    }
    this.#waiting.set(need.cid, need)
    this.#start()
  }

  #start(): void {
    for (const [cid, need] of this.#waiting) {
      if (this.#working.size >= parallel) return
      this.#waiting.delete(cid)
      const work = this.#bring(need).finally(() => {
        this.#working.delete(cid)
        this.#start()
      })
      this.#working.set(cid, work)
    }
  }

  async #bring(need: BlockNeed): Promise<void> {
    const { signal } = this.#abort
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        for (const within of await this.#once(need)) this.#want(within)
        this.#missing.delete(need.cid)
        this.#done += 1
        return
      } catch (error) {
        if (signal.aborted) return
        if (attempt === attempts) {
          this.#missing.add(need.cid)
          this.#dependencies.log('MIRROR_INCOMPLETE', `${need.cid}: ${errorText(error)}`)
          return
        }
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  async #once(need: BlockNeed): Promise<readonly BlockNeed[]> {
    const { blocks, fetch, fetchCheckpoint, keepReport } = this.#dependencies
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(needTimeoutMs)])
    if (need.kind === 'checkpoint') {
      await fetchCheckpoint(need.cid, signal)
      return []
    }
    const bring = async (cid: CidText, maxBytes: number): Promise<Uint8Array> => {
      const own = await blocks.get(cid)
      if (own !== undefined) return own
      const bytes = await fetch(cid, maxBytes, signal)
      if (bytes.length > maxBytes || !matchesCid(cid, bytes)) throw mismatch(cid)
      await blocks.put(cid, bytes)
      return bytes
    }
    if (need.kind === 'weights') {
      for await (const _ of weightsParts(need.cid, maxStateBlockBytes, bring)) signal.throwIfAborted()
      return []
    }
    if (need.kind === 'block' && (await blocks.has(need.cid))) return []
    const bytes = await bring(need.cid, need.maxBytes)
    if (need.kind === 'report') await keepReport(need.run, bytes)
    return needsWithin(need, bytes)
  }
}

const mismatch = (cid: CidText) =>
  new MurmurError('BLOCK_MISMATCH', {
    message: `other bytes came than ${cid} names`,
    next: 'it is asked for again',
    exit: 'verification',
  })
