import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bf16 } from '../aggregation/compressors/half-precision.ts'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { contentId } from '../protocol/content-id.ts'
import { peer } from '../protocol/fixtures/names.ts'
import type { CidText } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import type { TrainingSession } from '../worker/engine/engine.ts'
import { trainRound } from '../worker/train-round.ts'
import { distanceOf, statisticNoise, tolerance } from './distance.ts'
import { batches, shards } from './fixtures/byte-windows.ts'
import { fakeSession } from './fixtures/fake-session.ts'
import { emptyLocalState, localStateDigest, packLocalState } from './local-state.ts'
import { replayRound } from './replay.ts'

/* Weights of about one, and behind them statistics of thousands: the variances of pixels from 0 to 255. */

const trainedCount = 2_000
const theta = Float32Array.from({ length: trainedCount + 3 }, (_, index) =>
  index < trainedCount ? (index % 17) / 17 : 5_000,
)
const zeros = () => new Float32Array(theta.length)

/** A round that moved each weight by 0.01 and left the statistics as they were. */
const still = {
  ...{ theta, trainedCount, drift: null, kept: zeros(), accumulated: zeros() },
  moved: theta.map((_, index) => (index < trainedCount ? 0.01 : 0)),
}
/** What is claimed differs by `share` of θ, of the statistics or of the weights. */
const off = (share: number, of: 'statistics' | 'weights') =>
  theta.map((value, index) => (index >= trainedCount === (of === 'statistics') ? share * value : 0))

test('statistics that do not move are held against noise, not against nothing', () => {
  expect(distanceOf(still)).toBe(0)
  const within = distanceOf({ ...still, accumulated: off(statisticNoise / 2, 'statistics') })
  expect(within).toBeCloseTo(tolerance / 2, 4)
  expect(distanceOf({ ...still, accumulated: off(0.01, 'statistics') })).toBeGreaterThan(tolerance)
})

test('weights that do not move are held against the rounding of f32 alone', () => {
  const moved = zeros()
  expect(distanceOf({ ...still, moved })).toBe(0)
  expect(distanceOf({ ...still, moved, accumulated: off(2 ** -24, 'weights') })).toBeLessThan(tolerance)
  expect(distanceOf({ ...still, moved, accumulated: off(2 ** -20, 'weights') })).toBeGreaterThan(tolerance)
})

test('what is not a number is no distance', () => {
  const poison = zeros()
  poison[trainedCount] = Number.NaN
  expect(distanceOf({ ...still, accumulated: poison })).toBeNull()
  const nothing = { ...still, theta: zeros(), moved: zeros() }
  expect(distanceOf({ ...nothing, accumulated: off(1, 'weights') })).toBeNull()
})

test('how far statistics move changes nothing for weights', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      (statistics, share) => {
        const moved = still.moved.map((value, index) => (index < trainedCount ? value : statistics))
        const accumulated = still.moved.map((value) => share * value)
        expect(distanceOf({ ...still, moved, accumulated })).toBeCloseTo(share, 2)
      },
    ),
  )
})

const averaging = {
  ...{ compressor: bf16({ beta: 0.95 }), rule: weightedMean, outer: outerSgd(1) },
  ...{ fragments: 1, eager: false },
}
const shape = { parameterCount: theta.length, moments: 2, hasDrift: false }
const spec = parseRunFile(
  { model: { context: 4 }, train: { batch: 2, innerSteps: 8 }, audit: { segments: 4 } },
  'run.yaml',
)
const signal = new AbortController().signal

/** Does everything but to move the parameters from `start` to `end`. */
function leavingOut(session: TrainingSession, start: number, end: number): TrainingSession {
  return {
    ...session,
    step: async (batch, options) => {
      const before = (await session.readState()).params.subarray(start, end)
      const told = await session.step(batch, options)
      const state = await session.readState()
      state.params.set(before, start)
      await session.writeState(state)
      return told
    },
  }
}

/** What an auditor of another engine class finds of a round that was trained on `session`. */
async function audit(session: TrainingSession) {
  const local = emptyLocalState(shape)
  const block = packLocalState(local)
  const inputs = { spec, averaging, batches, round: 1, slot: 0, steps: 8, shards, theta, local }
  const trained = await trainRound({ ...inputs, session, localDigest: localStateDigest(block) }, signal)
  const served = [block, trained.contribution, trained.localBlock]
  const blocks = new Map<CidText, Uint8Array>(served.map((bytes) => [contentId(bytes, 'raw'), bytes]))
  const entry = {
    ...{ worker: peer(1), contribution: contentId(trained.contribution, 'raw') },
    ...{ contributionBytes: trained.contribution.length, tokens: 64, trace: [...trained.trace], lossNats: 1 },
  }
  return await replayRound(
    { ...{ worker: peer(1), round: 1, slot: 0, steps: 8, theta, sameEngineClass: false }, entry },
    {
      ...{ spec, averaging, batches, shards, moments: 2, trainedCount, session: fakeSession() },
      fetch: async (cid) => blocks.get(cid)!,
    },
    signal,
  )
}

test('weights that nobody trained do not pass behind statistics that moved far', async () => {
  const honest = await audit(fakeSession({ noise: 1e-5 }))
  expect(honest).toMatchObject({ outcome: 'verified', code: 'OK_WITHIN_TOLERANCE' })
  const lazy = await audit(leavingOut(fakeSession(), 0, trainedCount))
  expect(lazy).toMatchObject({ outcome: 'refuted', code: 'OUT_OF_TOLERANCE' })
  expect(lazy.distance).toBeCloseTo(1, 1)
})

test('nor do statistics that were not kept up', async () => {
  const lazy = await audit(leavingOut(fakeSession(), trainedCount, theta.length))
  expect(lazy).toMatchObject({ outcome: 'refuted', code: 'OUT_OF_TOLERANCE' })
})
