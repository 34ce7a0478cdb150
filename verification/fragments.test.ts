import { expect, test } from 'vitest'
import { fragmentOf } from '../aggregation/fragments.ts'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../aggregation/sparse-loco.ts'
import { toDense } from '../aggregation/update.ts'
import { contentId } from '../protocol/content-id.ts'
import { peer } from '../protocol/fixtures/names.ts'
import type { CidText } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { trainRound } from '../worker/train-round.ts'
import { batches, shards } from './fixtures/byte-windows.ts'
import { fakeSession } from './fixtures/fake-session.ts'
import {
  emptyLocalState,
  type LocalState,
  localShape,
  localStateDigest,
  packLocalState,
} from './local-state.ts'
import { replayRound } from './replay.ts'

/* A worker whose parameters are averaged in two fragments, in turn: what it has learnt between two rounds stays with it. */

const parameterCount = 9_000
const averaging = {
  compressor: sparseLoCo({ chunkSize: 4096, k: 4096, beta: 1 }),
  rule: weightedMean,
  outer: outerSgd(1),
  fragments: 2,
  eager: false,
}
const shape = localShape({ parameterCount, moments: 2 }, averaging)
const spec = parseRunFile(
  { model: { context: 4 }, train: { batch: 2, innerSteps: 4 }, audit: { segments: 2 } },
  'run.yaml',
)
const theta = Float32Array.from({ length: parameterCount }, (_, index) => (index % 17) / 17)
const signal = new AbortController().signal

async function train(round: number, local: LocalState, skips = (_: number): boolean => false) {
  const block = packLocalState(local)
  const inputs = { spec, averaging, batches, round, slot: 0, steps: 4, shards, theta, local }
  const session = fakeSession({ skips })
  const outputs = await trainRound({ ...inputs, session, localDigest: localStateDigest(block) }, signal)
  return { ...outputs, block }
}

type Trained = Pick<Awaited<ReturnType<typeof train>>, 'contribution' | 'trace' | 'tokens' | 'localBlock'>

/** What an auditor finds, of another engine class or of the same. */
function audit(
  before: LocalState,
  { contribution, trace, tokens, localBlock }: Trained,
  sameEngineClass: boolean,
) {
  const block = packLocalState(before)
  const served = [block, contribution, localBlock]
  const blocks = new Map<CidText, Uint8Array>(served.map((bytes) => [contentId(bytes, 'raw'), bytes]))
  const entry = {
    ...{ worker: peer(1), contribution: contentId(contribution, 'raw'), tokens, lossNats: 1 },
    // What it starts from is the end of its round before: the head takes nothing else.
    ...{ contributionBytes: contribution.length, trace: [localStateDigest(block), ...trace.slice(1)] },
  }
  return replayRound(
    { ...{ worker: peer(1), round: 1, slot: 0, steps: 4, theta, sameEngineClass }, entry },
    {
      ...{ spec, averaging, batches, shards, moments: 2, trainedCount: parameterCount },
      session: fakeSession({ noise: sameEngineClass ? 0 : 1e-6 }),
      fetch: async (cid) => blocks.get(cid)!,
    },
    signal,
  )
}

test('a round sends its fragment alone; the rest stays as drift and is where the next round begins', async () => {
  const first = await train(0, emptyLocalState(shape))
  const [sent, kept] = [fragmentOf(0, 2, parameterCount), fragmentOf(1, 2, parameterCount)]
  const update = toDense(averaging.compressor.decompress(first.contribution, sent.length))
  const moved = theta.map((value, index) => value - first.end[index]!)
  const { drift } = first.local
  // Two magnitudes a chunk: what is sent sums to what was learnt.
  const sum = (values: Float32Array) => values.reduce((total, value) => total + Math.abs(value), 0)
  expect(sum(update) / sum(sent.gather(moved))).toBeCloseTo(1, 2)
  expect(sent.gather(drift!).every((value) => value === 0)).toBe(true)
  kept.gather(drift!).forEach((value, index) => {
    expect(value).toBeCloseTo(-kept.gather(moved)[index]!, 2)
  })
  // θ has not changed here: the second round goes on from θ and the drift, and sends what both rounds have learnt.
  const second = await train(1, first.local)
  const both = kept.gather(theta.map((value, index) => value - second.end[index]!))
  const other = toDense(averaging.compressor.decompress(second.contribution, kept.length))
  expect(sum(both)).toBeGreaterThan(1.3 * sum(kept.gather(moved)))
  expect(sum(other) / sum(both)).toBeCloseTo(1, 2)
  expect(kept.gather(second.local.drift!).every((value) => value === 0)).toBe(true)
})

test('an audit replays it from the drift that was committed, and refuses another', async () => {
  const before = (await train(0, emptyLocalState(shape))).local
  const honest = await train(1, before)
  const forged = await train(1, { ...before, drift: before.drift!.map((value) => value * 1.5) })
  expect(await audit(before, honest, true)).toMatchObject({ outcome: 'verified', code: 'OK' })
  expect(await audit(before, honest, false)).toMatchObject({
    outcome: 'verified',
    code: 'OK_WITHIN_TOLERANCE',
  })
  expect(await audit(before, forged, true)).toMatchObject({ outcome: 'refuted', code: 'SEGMENT_MISMATCH' })
  expect(await audit(before, forged, false)).toMatchObject({ code: 'OUT_OF_TOLERANCE' })
})

test('work that was not done does not pass for what was learnt before, between engine classes either', async () => {
  const before = (await train(0, emptyLocalState(shape))).local
  const lazy = await train(1, before, () => true)
  expect(await audit(before, lazy, false)).toMatchObject({ outcome: 'refuted', code: 'OUT_OF_TOLERANCE' })
  const honest = await train(1, before)
  const elsewhere = { ...honest.local, drift: honest.local.drift!.map((value) => value + 0.5) }
  const localBlock = packLocalState(elsewhere)
  const trace = [...honest.trace.slice(0, -1), localStateDigest(localBlock)]
  expect(await audit(before, { ...honest, localBlock, trace }, false)).toMatchObject({
    code: 'OUT_OF_TOLERANCE',
  })
})
