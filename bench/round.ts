/**
 * What an inner engine does not train for: the parts of a round's begin and end, each in milliseconds and as a ratio to copying the
 * training state (parameters and moments) once, measured in turn with it; and of whole rounds, how much of them lies outside
 * inner steps. On one thread of the engine, with nothing to fetch, store or wait for.
 * Usage: node bench/round.ts [--layers 6] [--width 384] [--context 256] [--batch 1] [--inner-steps 8] [--segments 4]
 *        [--schedule eager|blocking] [--rounds 5] [--plain]
 */
import { parseArgs } from 'node:util'
import { averagingOf } from '../aggregation/averaging.ts'
import { contribute, startOf } from '../aggregation/contribute.ts'
import { kernelEngine } from '../aggregation/kernels/kernels.ts'
import { loadKernels } from '../aggregation/kernels/load.ts'
import { initialWeights } from '../program/initial-weights.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import {
  emptyLocalState,
  type LocalState,
  localShape,
  localStateDigest,
  packLocalState,
} from '../verification/local-state.ts'
import type { BatchSource } from '../worker/data/batch-source.ts'
import { threadedEngine } from '../worker/engine/threaded-engine.ts'
import { trainRound } from '../worker/train-round.ts'
import { runAsNode } from './as-node.ts'

runAsNode()
const { values: given } = parseArgs({
  options: {
    layers: { type: 'string', default: '6' },
    width: { type: 'string', default: '384' },
    context: { type: 'string', default: '256' },
    batch: { type: 'string', default: '1' },
    'inner-steps': { type: 'string', default: '8' },
    segments: { type: 'string', default: '4' },
    schedule: { type: 'string', default: 'eager' },
    rounds: { type: 'string', default: '5' },
    plain: { type: 'boolean', default: false },
  },
})
const [layers, width, context, batch] = [given.layers, given.width, given.context, given.batch].map(
  Number,
) as [number, number, number, number]
const heads = Math.max(1, Math.floor(width / 64))
const [steps, rounds] = [Number(given['inner-steps']), Number(given.rounds)]
const say = (text: string) => void process.stdout.write(`${text}\n`)

if (!given.plain) await loadKernels()
const spec = parseRunFile(
  {
    model: { layers, width, heads, context },
    train: { batch, innerSteps: steps },
    audit: { segments: Number(given.segments) },
    averaging: { schedule: given.schedule },
  },
  'bench',
)
const { training, table } = buildTrainingProgram({ preset: 'gpt', layers, width, heads, context, batch })
const averaging = averagingOf(spec)
const session = await threadedEngine('ort-cpu').loadTraining(training)
const shape = localShape({ parameterCount: table.count, moments: 2 }, averaging)
const theta = initialWeights(table, 1)
const batches: BatchSource = {
  tokensPerStep: batch * context,
  at: ({ round, step }) => {
    const tokens = BigInt64Array.from({ length: batch * context }, (_, index) =>
      BigInt((index * (step + 3) + round) % 251),
    )
    return { inputs: tokens, targets: tokens }
  },
  heldOut: () => [],
}

const times = new Map<string, number[]>()
async function time<T>(part: string, work: () => T | Promise<T>): Promise<T> {
  const begunMs = performance.now()
  const result = await work()
  times.set(part, [...(times.get(part) ?? []), performance.now() - begunMs])
  return result
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

let local: LocalState = emptyLocalState(shape)
let localDigest = localStateDigest(packLocalState(local))
const state = [theta, ...local.moments]
const copies = state.map((vector) => new Float32Array(vector.length))
const copy = 'copy of the state'
const copyState = () => {
  for (const [index, vector] of state.entries()) copies[index]!.set(vector)
}
copyState()

const whole = { wallMs: [] as number[], outsideMs: [] as number[] }
// The first round finds everything cold and is not counted.
for (let round = 0; round <= rounds; round++) {
  if (round === 1) times.clear()
  await time(copy, copyState)
  const start = await time('where the round starts', () => startOf(theta, local))
  await time('state written', () =>
    session.writeState({ params: start, optimizer: local.moments, step: local.step }),
  )
  await session.step(batches.at({ seed: 0, round, slot: 0, step: 0 }, []), { learningRate: 1e-4 })
  // The engine goes on once it has let go of the digest: what is asked behind it is a read, whose own time is told alone.
  const end = await time('state read', () => session.readState())
  const digest = time('digest of the state, until it is there', () => session.digest())
  await time('digest and read, until the engine goes on', () => session.readState())
  await digest
  const { bytes, ...kept } = await time('contribution, with what is kept', () =>
    contribute(theta, end.params, local, round, averaging),
  )
  const next = { step: end.step, moments: end.optimizer, ...kept }
  const block = await time('local state rounded and packed', () => packLocalState(next))
  await time('digests of contribution and local state', () => [
    localStateDigest(bytes),
    localStateDigest(block),
  ])

  let stepsMs = 0
  const begunMs = performance.now()
  const inputs = { spec, session, averaging, round, slot: 0, steps, batches, shards: [], theta }
  const trained = await trainRound(
    { ...inputs, local, localDigest },
    new AbortController().signal,
    ({ tookMs }) => {
      stepsMs += tookMs
    },
  )
  const wallMs = performance.now() - begunMs
  if (round > 0) {
    whole.wallMs.push(wallMs)
    whole.outsideMs.push(wallMs - stepsMs)
  }
  local = trained.local
  localDigest = trained.trace.at(-1)!
}
await session.close()

const copyMs = median(times.get(copy)!)
const megabytes = state.reduce((sum, { byteLength }) => sum + byteLength, 0) / 1e6
say(
  `GPT of ${(table.count / 1e6).toFixed(1)} M parameters, ${given.schedule}, kernels ${kernelEngine()}; its state has ${megabytes.toFixed(0)} MB; medians of ${rounds} rounds`,
)
for (const [part, values] of times)
  say(
    `${part.padEnd(46)}${median(values).toFixed(1).padStart(8)} ms${(median(values) / copyMs).toFixed(1).padStart(7)} copies`,
  )
const [wallMs, outsideMs] = [median(whole.wallMs), median(whole.outsideMs)]
say(
  `a round of ${steps} steps: ${wallMs.toFixed(0)} ms, outside of inner steps ${outsideMs.toFixed(0)} ms (${(outsideMs / copyMs).toFixed(1)} copies): with H 50 ` +
    `${((100 * outsideMs) / (outsideMs + (50 / steps) * (wallMs - outsideMs))).toFixed(1)} % of the time`,
)
