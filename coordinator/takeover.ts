import { setTimeout as sleep } from 'node:timers/promises'
import { errorText, isMurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { BlockStore, Clock, Network } from '../protocol/ports.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { missingRounds } from './adoption.ts'
import type { HeadReplica } from './replica.ts'
import type { AdoptedManifest } from './round/state.ts'
import type { RunLog } from './run-log.ts'
import type { RunNotes } from './run-notes.ts'

/** A head that takes over waits so long for the run's workers to say what they hold. */
const patienceMs = 1_500
const lookMs = 100
const fetchTimeoutMs = 20_000
const retryMs = 1_000

export interface TakeoverDependencies {
  readonly network: Network
  readonly clock: Clock
  readonly blocks: BlockStore
  readonly replica: HeadReplica
  readonly log: RunLog
  readonly notes: RunNotes
  readonly signal: AbortSignal
  /** The newest manifest that each worker has told of since this head leads the cluster. */
  readonly told: ReadonlyMap<WorkerId, CidText>
  /** In the order of their terms. */
  readonly heads: readonly WorkerId[]
  /** Epochs whose history the chain knows. */
  readonly closedOnChain: number
  adopt(manifests: readonly AdoptedManifest[]): void
}

/**
 * Before a head leads in another's place: takes what workers hold and its log lacks. Waits a moment for those that were
 * ready, and as long as it takes where the chain knows of epochs that neither the log nor any worker tells of yet: to lead
 * from before a settled epoch would undo it.
 */
export async function adoptFromWorkers(dependencies: TakeoverDependencies): Promise<void> {
  const { clock, log, notes, signal, told, heads, closedOnChain, network, adopt } = dependencies
  const ready = [...log.state.members]
    .filter(([, { status }]) => status === 'ready')
    .map(([worker]) => worker)
  const done = new Set<CidText>()
  for (const began = clock.now(); ; await sleep(lookMs, undefined, { signal })) {
    const patient = clock.now() - began < patienceMs && ready.some((worker) => !told.has(worker))
    for (const newest of new Set(told.values())) {
      if (done.has(newest)) continue
      try {
        const manifests = await missingRounds(newest, log.state, heads, {
          fetch: (cid, maxBytes) => fetchBlock(cid, maxBytes, dependencies),
          verify: (...of) => network.verify(...of),
        })
        done.add(newest)
        if (manifests.length === 0) continue
        for (const { manifest } of manifests) await followRound(manifest, dependencies)
        adopt(manifests)
      } catch (error) {
        signal.throwIfAborted()
        // Another worker may have the rest, or this one in a moment.
        notes.note('HISTORY_AWAITED', null, null, errorText(error))
        await sleep(retryMs, undefined, { signal })
      }
    }
    if (!patient && log.closed.length >= closedOnChain) return
  }
}

/** What no peer can mend. */
const final = ['HISTORY_BROKEN', 'MANIFEST_UNFIT', 'AVERAGE_FALSE'] as const

/** Brings the replica to the end of a round whose manifest is known; waits for whoever holds its contributions or their average. */
export async function followRound(
  manifest: RoundManifest,
  { replica, notes, signal }: Pick<TakeoverDependencies, 'replica' | 'notes' | 'signal'>,
): Promise<void> {
  for (;;) {
    try {
      return await replica.follow(manifest, AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]))
    } catch (error) {
      signal.throwIfAborted()
      if (final.some((code) => isMurmurError(error, code))) throw error
      notes.note('CONTRIBUTION_AWAITED', manifest.round, null, errorText(error))
      await sleep(retryMs, undefined, { signal })
    }
  }
}

async function fetchBlock(
  cid: CidText,
  maxBytes: number,
  { blocks, network, signal }: TakeoverDependencies,
): Promise<Uint8Array> {
  const own = await blocks.get(cid)
  if (own !== undefined) return own
  const timed = AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)])
  const bytes = await network.fetchBlock(network.connectedPeers(), cid, { signal: timed, maxBytes })
  await blocks.put(cid, bytes)
  return bytes
}
