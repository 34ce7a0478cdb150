import { contentId } from '../protocol/content-id.ts'
import { invariant } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { maxProgramBytes, maxShardBytes } from '../protocol/limits.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'
import type { AuditReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { heldOutBatches } from '../worker/data/batches.ts'
import type { Engine } from '../worker/engine/engine.ts'
import { sampleText } from '../worker/engine/sampling.ts'
import { fetchShards, type RunContext } from '../worker/run-context.ts'
import type { AuditCandidate } from './draw.ts'
import { replayRound } from './replay.ts'
import { signVerdict } from './verdict-record.ts'

export interface AuditorDependencies {
  readonly context: RunContext
  readonly engine: Engine
  readonly network: Network
  readonly blocks: BlockStore
  engineClassOf(worker: WorkerId): string
  /** The CID of a round's signed manifest. */
  manifestOf(round: number): CidText
}

const fetchTimeoutMs = 60_000
/** Held-out windows measured: at most this many batches, spread evenly over the held-out text. */
const evaluationBatches = 32
const sampleTokens = 160
const samplePrompt = 'The '

/**
 * Executes programs on behalf of the head: replays drawn rounds, measures held-out loss, writes sample text. One at a
 * time, on one engine thread, so that it never takes more than one core from anybody.
 */
export class Auditor {
  readonly #dependencies: AuditorDependencies
  readonly #abort = new AbortController()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(dependencies: AuditorDependencies) {
    this.#dependencies = dependencies
  }

  audit(
    { worker, round }: AuditCandidate,
    manifests: readonly RoundManifest[],
    theta: Float32Array,
  ): Promise<AuditReport> {
    return this.#inTurn(async () => {
      const { context, engine, network, blocks, engineClassOf, manifestOf } = this.#dependencies
      const manifest = manifests.find((candidate) => candidate.round === round)
      const entry = manifest?.entries.find((candidate) => candidate.worker === worker)
      invariant(manifest !== undefined && entry !== undefined, 'a drawn round is in its epoch’s manifests')
      const slot = manifest.slots.findIndex((candidate) => candidate.worker === worker)
      const { steps } = manifest.slots[slot]!
      let bytes = 0
      const fetch = async (cid: CidText, maxBytes: number) => {
        const own = await blocks.get(cid)
        if (own !== undefined) return own
        const block = await this.#fetch(worker, cid, maxBytes)
        bytes += block.length
        return block
      }
      const shards = await fetchShards(context, { slot, members: manifest.slots.length }, (cid) =>
        this.#fetch(network.self, cid, maxShardBytes),
      )
      await using session = disposable(await engine.loadTraining(context.trainingProgram, this.#abort.signal))
      const { spec, averaging, model } = context
      const outcome = await replayRound(
        {
          worker,
          round,
          slot,
          steps,
          entry,
          theta,
          sameEngineClass: engineClassOf(worker) === engine.engineClass,
        },
        { spec, session: session.value, averaging, shards, moments: model.moments, fetch },
        this.#abort.signal,
      )
      const verdict = await signVerdict(
        {
          ...outcome,
          run: context.run,
          epoch: manifest.epoch,
          round,
          worker,
          auditor: network.self,
          engineClass: engine.engineClass,
          manifest: manifestOf(round),
        },
        (bytes) => network.sign(bytes),
      )
      const cid = contentId(verdict, 'dag-cbor')
      await blocks.put(cid, verdict)
      return { worker, round, outcome: outcome.outcome, code: outcome.code, bytes, verdict: cid }
    })
  }

  /** Mean held-out loss, nats a token. */
  evaluate(theta: Float32Array): Promise<number> {
    return this.#inTurn(async () => {
      const { context, engine, network } = this.#dependencies
      const { spec, data } = context
      const program = await this.#fetch(network.self, spec.programs.evaluation, maxProgramBytes)
      await using session = disposable(await engine.loadEvaluation(program, this.#abort.signal))
      const heldOut = await Promise.all(
        data.heldOut.map(({ cid }) => this.#fetch(network.self, cid, maxShardBytes)),
      )
      const shape = { batch: spec.train.batch, context: spec.model.context }
      const batches = heldOutBatches(heldOut, shape, evaluationBatches)
      let sum = 0
      for (const batch of batches) sum += (await session.value.evaluate(theta, batch)).lossNats
      return sum / batches.length
    })
  }

  sample(theta: Float32Array): Promise<string> {
    return this.#inTurn(async () => {
      const { context, engine, network } = this.#dependencies
      const { spec } = context
      const program = await this.#fetch(network.self, spec.programs.sampling, maxProgramBytes)
      await using session = disposable(await engine.loadSampling(program, this.#abort.signal))
      const prompt = new TextEncoder().encode(samplePrompt)
      const bytes = await sampleText(session.value, theta, prompt, {
        count: sampleTokens,
        temperature: 0.8,
        topK: 40,
        seed: spec.train.seed,
      })
      return new TextDecoder().decode(bytes)
    })
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the auditor is closing'))
    await this.#queue.catch(() => {})
  }

  async #fetch(first: WorkerId, cid: CidText, maxBytes: number): Promise<Uint8Array> {
    const { blocks, network } = this.#dependencies
    const own = await blocks.get(cid)
    if (own !== undefined) return own
    const others = network.connectedPeers().filter((peer) => peer !== first)
    const peers = first === network.self ? others : [first, ...others]
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(fetchTimeoutMs)])
    return await network.fetchBlock(peers, cid, { signal, maxBytes })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      this.#abort.signal.throwIfAborted()
      return work()
    })
    this.#queue = turn.catch(() => {})
    return turn
  }
}

const disposable = <T extends { close(): Promise<void> }>(value: T) => ({
  value,
  [Symbol.asyncDispose]: () => value.close(),
})
