import { afterAll, beforeAll, expect, test } from 'vitest'
import { averagingOf } from '../aggregation/averaging.ts'
import { initialWeights } from '../program/initial-weights.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { emptyLocalState, localShape, localStateDigest, packLocalState } from '../verification/local-state.ts'
import { traceLength } from '../verification/trace.ts'
import type { BatchSource } from './data/batch-source.ts'
import type { TrainingSession } from './engine/engine.ts'
import { ortCpuEngine } from './engine/ort-cpu.ts'
import { threadedEngine } from './engine/threaded-engine.ts'
import { type RoundEnd, trainRound } from './train-round.ts'

/* A round asks for the next step before it has the answer to the last; nobody may be able to tell by what comes of it. */

const model = { layers: 1, width: 16, heads: 2, context: 8 }
const { training, table } = buildTrainingProgram({ preset: 'gpt', ...model, batch: 2 })
const spec = parseRunFile(
  {
    model,
    train: { batch: 2, innerSteps: 6, learningRate: 1e-3, warmupSteps: 0 },
    audit: { segments: 3 },
    averaging: { schedule: 'eager' },
  },
  'run.yaml',
)
const averaging = averagingOf(spec)
const signal = new AbortController().signal

const batches: BatchSource = {
  tokensPerStep: 16,
  at: ({ step }) => {
    const tokens = BigInt64Array.from({ length: 16 }, (_, index) => BigInt((index * (step + 3)) % 251))
    return { inputs: tokens, targets: tokens }
  },
  heldOut: () => [],
}

function inputsOf(session: TrainingSession, learningRate = 1e-3) {
  const local = emptyLocalState(localShape({ parameterCount: table.count, moments: 2 }, averaging))
  const localDigest = localStateDigest(packLocalState(local))
  const place = { round: 2, slot: 0, steps: 6, batches, shards: [], theta: initialWeights(table, 1) }
  const { train, audit } = spec
  return {
    spec: { train: { ...train, learningRate }, audit },
    session,
    averaging,
    ...place,
    local,
    localDigest,
  }
}

/** A session that is asked for one thing at a time, and only once it has answered the last. */
function patient(session: TrainingSession): TrainingSession {
  let last: Promise<unknown> = Promise.resolve()
  const alone =
    <A extends readonly unknown[], R>(method: (...args: A) => Promise<R>) =>
    (...args: A) => {
      const answer = last.then(() => method(...args))
      last = answer.catch(() => {})
      return answer
    }
  const { step, digest, readState } = session
  return { ...session, step: alone(step), digest: alone(digest), readState: alone(readState) }
}

let thread: TrainingSession
let here: TrainingSession
beforeAll(async () => {
  thread = await threadedEngine('ort-cpu').loadTraining(training)
  here = await ortCpuEngine().loadTraining(training)
})
afterAll(() => Promise.all([thread.close(), here.close()]))

test('it comes to the same on a thread, in this one, and one by one', async () => {
  const told: number[] = []
  const onThread = await trainRound(inputsOf(thread), signal, ({ step, tookMs }) => {
    told.push(step)
    expect(tookMs).toBeGreaterThan(0)
  })
  expect(told).toEqual([1, 2, 3, 4, 5, 6])
  expect(new Set(onThread.trace).size).toBe(traceLength(3))
  for (const session of [here, patient(here)])
    expect(await trainRound(inputsOf(session), signal)).toEqual(onThread)
})

test('the engine has its first steps without anybody waiting for its state, and its next round before the digests', async () => {
  const asked: string[] = []
  const written = Promise.withResolvers<void>()
  const session: TrainingSession = {
    ...here,
    writeState: async (state) => {
      asked.push('state')
      await written.promise
      await here.writeState(state)
    },
    step: async (...of) => {
      asked.push('step')
      await written.promise
      return await here.step(...of)
    },
  }
  let end: RoundEnd | null = null
  let digest: Promise<unknown> = Promise.resolve('not told')
  const training = trainRound(inputsOf(session), signal, undefined, (of) => {
    end = of
    digest = Promise.race([of.localDigest, Promise.resolve('still to come')])
  })
  await new Promise(setImmediate)
  expect(asked).toEqual(['state', 'step', 'step'])
  written.resolve()
  const { trace, local } = await training
  expect(end!.local).toBe(local)
  expect(await digest).toBe('still to come')
  expect(await end!.localDigest).toBe(trace.at(-1))
  expect(await end!.localDigest).toBe(localStateDigest(packLocalState(local)))
  const late = { ...inputsOf(here), localDigest: end!.localDigest }
  expect((await trainRound(late, signal)).trace[0]).toBe(trace.at(-1))
})

test('the step that diverged is named, none after it counts, and the session trains the round anew', async () => {
  const steps: number[] = []
  for (const session of [thread, here]) {
    const training = trainRound(inputsOf(session, 1e30), signal, ({ step }) => steps.push(step))
    await expect(training).rejects.toMatchObject({ code: 'TRAINING_DIVERGED', details: { step: 2 } })
  }
  expect(steps).toEqual([1, 1])
  expect((await trainRound(inputsOf(thread), signal)).trace).toEqual(
    (await trainRound(inputsOf(here), signal)).trace,
  )
})

test('broken off, it has let go of the session: what is asked next is not in its way', async () => {
  const { trace } = await trainRound(inputsOf(here), signal)
  for (const session of [thread, here]) {
    const controller = new AbortController()
    const told: number[] = []
    const broken = trainRound(inputsOf(session), controller.signal, ({ step }) => {
      told.push(step)
      if (step === 2) controller.abort(new Error('enough'))
    })
    await expect(broken).rejects.toThrow('enough')
    expect(told).toEqual([1, 2])
    const step = (await session.readState()).step
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await session.readState()).step).toBe(step)
    expect((await trainRound(inputsOf(session), signal)).trace).toEqual(trace)
  }
})

test('an abort reaches the step that the engine is in the middle of, and the one after it', async () => {
  const controller = new AbortController()
  const asked: AbortSignal[] = []
  const session: TrainingSession = {
    ...here,
    step: (_, { signal }) => {
      asked.push(signal!)
      if (asked.length === 2) setImmediate(() => controller.abort(new Error('enough')))
      return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))
    },
  }
  await expect(trainRound(inputsOf(session), controller.signal)).rejects.toThrow('enough')
  expect(asked.map(({ aborted }) => aborted)).toEqual([true, true])
})
