import { freshVectors } from '../aggregation/vectors.ts'
import { contentId } from '../protocol/content-id.ts'
import { invariant, isMurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { maxProgramBytes, maxShardBytes } from '../protocol/limits.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'
import type { AuditReport, Measurement } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { firstTokens } from '../worker/data/batches.ts'
import { continueText } from '../worker/data/continue-text.ts'
import { measure } from '../worker/data/measure.ts'
import { parseTokenizer, type TextTokenizer } from '../worker/data/tokenizer.ts'
import type { Engine } from '../worker/engine/engine.ts'
import { openTextSession } from '../worker/engine/open-text-session.ts'
import { fetchHeldOut, fetchShards, type RunContext } from '../worker/run-context.ts'
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
/** Held-out rows measured: at most this many batches, spread evenly over the held-out part. */
const evaluationBatches = 32
const sampleTokens = 160
const samplePrompt = 'The '
/** Of the held-out text, where the prompt is nothing that the model knows. */
const promptTokens = 8

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
      const { spec, averaging, batches, model } = context
      const outcome = await replayRound(
        {
          worker,
          round,
          slot,
          steps,
          entry,
          theta,
          sameEngineClass: engine.exact && engineClassOf(worker) === engine.engineClass,
        },
        {
          // A few replays an epoch: places of their own would be memory that lies idle.
          averaging: { ...averaging, vectors: freshVectors },
          ...{ spec, session: session.value, batches, shards, fetch },
          ...{ moments: model.moments, trainedCount: model.trainedCount },
        },
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

  /** Of the held-out part. */
  evaluate(theta: Float32Array): Promise<Measurement> {
    return this.#inTurn(async () => {
      const { context, engine, network } = this.#dependencies
      const { spec, batches } = context
      const program = await this.#fetch(network.self, spec.programs.evaluation, maxProgramBytes)
      await using session = disposable(await engine.loadEvaluation(program, this.#abort.signal))
      const heldOut = await fetchHeldOut(context, (cid, max) => this.#fetch(network.self, cid, max))
      const measured = batches.heldOut(heldOut, evaluationBatches)
      const { lossNats, accuracy } = await measure(session.value, theta, measured, this.#abort.signal)
      return { lossNats, accuracy }
    })
  }

  /**
   * Null where the run is not of text, and where its tokenizer or its tokens are of no use: a sample is for show, and the
   * tokenizer a stranger's, who may have sent it without our command line.
   */
  sample(theta: Float32Array): Promise<string | null> {
    return this.#inTurn(async () => {
      const { context, engine, network } = this.#dependencies
      const { spec, data, model } = context
      if (model.task !== 'language' || data.format.kind === 'rows') return null
      const { format } = data
      let tokenizer: TextTokenizer | null = null
      if (format.kind === 'tokens') {
        const file = await this.#fetch(network.self, format.tokenizer, maxShardBytes)
        try {
          tokenizer = parseTokenizer(file)
        } catch (error) {
          if (isMurmurError(error, 'TOKENIZER_INVALID')) return null
          throw error
        }
      }
      const program = await this.#fetch(network.self, spec.programs.sampling, maxProgramBytes)
      const trained = { model: spec.model, lora: spec.train.lora }
      const opened = await openTextSession(engine, program, trained, this.#abort.signal)
      await using session = disposable(opened)
      const vocabulary = session.value.info.logits.at(-1)!
      const isKnown = (ids: readonly number[]) => ids.length > 0 && ids.every((id) => id < vocabulary)
      let prompt = tokenizer?.encode(samplePrompt) ?? [...Buffer.from(samplePrompt)]
      if (!isKnown(prompt)) {
        const heldOut = await this.#fetch(network.self, data.heldOut[0]!.cid, maxShardBytes)
        prompt = firstTokens(heldOut, promptTokens, format.kind === 'bytes' ? 1 : format.width)
      }
      if (!isKnown(prompt)) return null
      const options = { count: sampleTokens, temperature: 0.8, topK: 40, seed: spec.train.seed }
      return await continueText(session.value, theta, prompt, tokenizer, options, this.#abort.signal)
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
