import { expect, test } from 'vitest'
import { links, stores } from '../checkpoints/fixtures/stores.ts'
import { contentId } from '../protocol/content-id.ts'
import { hashOf } from '../protocol/fixtures/names.ts'
import type { Hash } from '../protocol/ids.ts'
import type { Network } from '../protocol/ports.ts'
import { blockOf, localStateDigest, packLocalState } from '../verification/local-state.ts'
import type { TrainingSession } from './engine/engine.ts'
import type { Held } from './local-states.ts'
import { RoundTrainer, type TrainingJob } from './round-trainer.ts'
import { keptRounds, RunBlocks } from './run-blocks.ts'
import type { RunContext } from './run-context.ts'
import type { trainRound } from './train-round.ts'

/* What is begun ahead of the head's word counts exactly when the head then asks for the same. */

const base = new Float32Array(1)
const locals = new Map<string, object>()
const held = (name: string) => {
  const local = locals.get(name) ?? {}
  locals.set(name, local)
  return { digest: hashOf(name), local, round: 0 } as unknown as Held
}
const place = { slot: 0, memberCount: 1, steps: 2 }
const job = (changed: Partial<TrainingJob> = {}): TrainingJob => ({
  ...{ round: 1, place, base, held: held('start') },
  ...changed,
})

const shard = Uint8Array.of(0)
const context = {
  ...{ spec: { train: { seed: 0 } }, averaging: {}, batches: { tokensPerStep: 1 } },
  data: { format: { kind: 'bytes' }, shards: [{ cid: contentId(shard, 'raw'), count: 1 }] },
} as unknown as RunContext
const session = { close: async () => {} } as unknown as TrainingSession

function trainerOf({ keep = async () => {} }: Partial<Pick<RunBlocks, 'keep'>> = {}) {
  const begun: string[] = []
  const aborted: string[] = []
  let nowMs = 0
  const gates = new Map<number, PromiseWithResolvers<void>>()
  /** Opens when the digests of a round are there; at once unless a test holds them back. */
  const digests = new Map<number, PromiseWithResolvers<void>>()
  const train = (async ({ round, steps, localDigest }, signal, onStep, onEnd) => {
    const name = `${round}/${steps}`
    begun.push(name)
    const gate = Promise.withResolvers<void>()
    gates.set(round, gate)
    signal.addEventListener('abort', () => {
      aborted.push(name)
      gate.reject(signal.reason)
    })
    await gate.promise
    nowMs += 80
    onStep?.({ step: steps, lossNats: 1, tookMs: 60 })
    const { local } = held('x')
    const digest = (digests.get(round)?.promise ?? Promise.resolve()).then(() => hashOf(name))
    onEnd?.({ local, localDigest: digest })
    const bytes = Uint8Array.of(round)
    return {
      ...{
        contribution: bytes,
        localBlock: bytes,
        trace: [await localDigest, hashOf('contribution'), await digest],
        tokens: 1,
        lossNats: 1,
      },
      ...{ local, end: base },
    }
  }) as typeof trainRound
  const trainer = new RoundTrainer({
    ...{ context, session },
    blocks: { fetch: async () => shard, keep } as unknown as RunBlocks,
    randomSalt: () => hashOf('salt'),
    now: () => nowMs,
    train,
  })
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  const finish = async (round: number) => {
    await settled()
    gates.get(round)!.resolve()
  }
  const pass = (ms: number) => {
    nowMs += ms
  }
  const holdDigests = (round: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    digests.set(round, { promise, resolve, reject })
    return resolve
  }
  return { trainer, begun, aborted, finish, settled, pass, holdDigests }
}

test('begun ahead and asked for: it is trained once', async () => {
  const { trainer, begun, aborted, finish } = trainerOf()
  trainer.begin(job())
  await finish(1)
  expect((await trainer.train(job())).trained.tokens).toBe(1)
  expect([begun, aborted]).toEqual([['1/2'], []])
})

test.each<[string, Partial<TrainingJob>]>([
  ['another round', { round: 2 }],
  ['fewer steps', { place: { ...place, steps: 1 } }],
  ['another slot', { place: { ...place, slot: 1, memberCount: 2 } }],
  ['other weights', { base: base.slice() }],
  ['another local state', { held: held('other') }],
])('begun ahead, and the head asks for %s: that is trained instead', async (_, changed) => {
  const { trainer, begun, aborted, finish, settled } = trainerOf()
  trainer.begin(job())
  await settled()
  const asked = trainer.train(job(changed))
  await finish(changed.round ?? 1)
  const { trained } = await asked
  expect(trained.trace[0]).toBe((changed.held ?? held('start')).digest)
  expect([begun.length, aborted]).toEqual([2, ['1/2']])
})

test('stopped: what was asked for fails with the reason, what was begun ahead is dropped', async () => {
  const { trainer, settled, aborted } = trainerOf()
  const asked = trainer.train(job())
  trainer.begin(job({ round: 2 }))
  await settled()
  trainer.stop(new Error('the round is over'))
  await expect(asked).rejects.toThrow('the round is over')
  await trainer.close()
  expect(aborted).toEqual(['1/2'])
})

const following =
  (round: number) =>
  ({ local, digest }: TrainingJob['held']): TrainingJob =>
    job({ round, held: { local, digest } })

test('the round after it begins as soon as the session is free, while what was made is stored', async () => {
  const stored = Promise.withResolvers<void>()
  const { trainer, begun, finish, settled } = trainerOf({ keep: () => stored.promise })
  let isTrained = false
  const asked = trainer.train(job(), following(2)).then((training) => {
    isTrained = true
    return training
  })
  await settled()
  expect(begun).toEqual(['1/2'])
  await finish(1)
  await settled()
  expect([begun, isTrained]).toEqual([['1/2', '2/2'], false])
  stored.resolve()
  const { trained, held } = await asked
  expect(trained.trace.at(-1)).toBe(held.digest)
  const next = trainer.train(following(2)(held), following(3))
  await finish(2)
  expect((await next).trained.trace[0]).toBe(held.digest)
  await settled()
  expect(begun).toEqual(['1/2', '2/2', '3/2'])
})

test('the round after it begins before the digests of what it starts from are there, and counts when asked for', async () => {
  const { trainer, begun, aborted, finish, settled, pass, holdDigests } = trainerOf()
  const release = holdDigests(1)
  const asked = trainer.train(job(), following(2))
  await finish(1)
  await settled()
  expect(begun).toEqual(['1/2', '2/2'])
  pass(40)
  // The engine has the next round's steps; what is left of this one does not hold it up.
  expect(trainer.utilization).toBe(60 / 80)
  release()
  const { held: after } = await asked
  const next = trainer.train(job({ round: 2, held: after }))
  await finish(2)
  expect((await next).trained.trace[0]).toBe(after.digest)
  expect([begun, aborted]).toEqual([['1/2', '2/2'], []])
})

test('no round follows one that was broken off, or that another has taken the place of', async () => {
  const { trainer, begun, finish, settled } = trainerOf()
  const stopped = trainer.train(job(), following(2))
  await settled()
  trainer.stop(new Error('the round is over'))
  await expect(stopped).rejects.toThrow('the round is over')
  const overtaken = trainer.train(job({ round: 5 }), following(6))
  const newest = trainer.train(job({ round: 7 }))
  await finish(5)
  await overtaken
  await finish(7)
  await newest
  await settled()
  expect(begun).toEqual(['1/2', '5/2', '7/2'])
})

test('what could not be stored is not trained on from', async () => {
  const stored = Promise.withResolvers<void>()
  const { trainer, begun, aborted, finish, settled } = trainerOf({ keep: () => stored.promise })
  const asked = trainer.train(job(), following(2))
  await finish(1)
  await settled()
  stored.reject(new Error('the disk is full'))
  await expect(asked).rejects.toThrow('the disk is full')
  await settled()
  expect([begun, aborted]).toEqual([['1/2', '2/2'], ['2/2']])
})

test('a close waits until what was made is stored', async () => {
  const stored = Promise.withResolvers<void>()
  const { trainer, finish, settled } = trainerOf({ keep: () => stored.promise })
  const asked = trainer.train(job())
  await finish(1)
  await settled()
  let isClosed = false
  const closing = trainer.close().then(() => {
    isClosed = true
  })
  await settled()
  expect(isClosed).toBe(false)
  stored.resolve()
  await expect(asked).rejects.toThrow('the worker leaves')
  await closing
})

test('utilization is the share of the time that the engine was in inner steps which counted', async () => {
  const { trainer, finish, settled, pass } = trainerOf()
  const first = trainer.train(job())
  await finish(1)
  await first
  expect(trainer.utilization).toBe(0.75)
  pass(20)
  expect(trainer.utilization).toBe(0.6)
  const second = trainer.train(job({ round: 2 }))
  await settled()
  pass(40)
  // Of a step under way nobody knows yet how much of it the engine computes.
  expect(trainer.utilization).toBe(0.6)
  await finish(2)
  await second
  expect(trainer.utilization).toBe(120 / 220)
})

async function finishing<T>(training: Promise<T>, finish: () => Promise<void>): Promise<T> {
  await finish()
  return await training
}

test('time passes for a round that is broken off, and for one whose steps are done', async () => {
  const { trainer, finish, settled, pass, holdDigests } = trainerOf()
  const release = holdDigests(1)
  const first = trainer.train(job())
  await finish(1)
  await settled()
  pass(40)
  expect(trainer.utilization).toBe(60 / 120)
  release()
  await first
  const second = trainer.train(job({ round: 2 }))
  await settled()
  trainer.stop(new Error('the round is over'))
  await expect(second).rejects.toThrow('the round is over')
  pass(80)
  expect(trainer.utilization).toBe(60 / 200)
})

test('what is trained ahead counts for as long as the head may ask for it', async () => {
  const { trainer, finish, settled } = trainerOf()
  await finishing(trainer.train(job(), following(2)), () => finish(1))
  await finish(2)
  await settled()
  expect(trainer.utilization).toBe(120 / 160)
  const other = trainer.train(job({ round: 3 }))
  await settled()
  expect(trainer.utilization).toBe(60 / 160)
  await finishing(other, () => finish(3))
})

const { openIn } = stores()

/** Local states that differ in their steps. */
function stateAt(step: number) {
  const local = { step, moments: [], errorFeedback: Float32Array.of(0), drift: null }
  const localBlock = packLocalState(local)
  return { local, localBlock, digest: localStateDigest(localBlock) }
}

test.each([
  ['trained in, and refused by, one', [5], []],
  ['trained in, and refused by, all of a window and more', [3, 4, 5, 6, 7, 8, 9], []],
  ['not asked to train in all of a window and more', [], [3, 4, 5, 6, 7, 8, 9]],
] as [string, number[], number[]][])(
  'a round that is kept is kept with the state that it began from: %s',
  async (_, refused, skipped) => {
    const store = await openIn('worker')
    const roundsKept = keptRounds({ roundsPerEpoch: 2 }, { eager: false })
    const blocks = new RunBlocks(
      {
        ...{ run: links.run, blocks: store.blocks, kept: await store.kept(), peers: () => [] },
        network: { fetchBlock: async () => shard } as unknown as Network,
        log: (code) => expect.unreachable(code),
      },
      roundsKept,
    )
    const train = (async ({ round, localDigest }) => {
      const contribution = Uint8Array.of(round)
      const { digest, ...made } = stateAt(round + 1)
      const trace = [await localDigest, localStateDigest(contribution), digest]
      return { ...made, contribution, trace, tokens: 1, lossNats: 1, end: base }
    }) as typeof trainRound
    const trainer = new RoundTrainer({
      ...{ context, session, blocks, train },
      ...{ randomSalt: () => hashOf('salt'), now: () => 0 },
    })
    let held: Held = { ...stateAt(0), round: -1 }
    const traces = new Map<number, readonly Hash[]>()
    for (let round = 0; round < 16; round++) {
      if (!skipped.includes(round)) {
        const made = await trainer.train(job({ round, held }))
        traces.set(round, made.trained.trace)
        if (!refused.includes(round)) held = made.held
      }
      await blocks.dropBefore(round)
      const inWindow = [...traces].filter(([of]) => of >= round - roundsKept)
      const leaves = new Set(inWindow.flatMap(([, trace]) => trace))
      const states = Array.from({ length: 17 }, (_, step) => stateAt(step).digest)
      const here = await Promise.all(states.map((leaf) => store.blocks.get(blockOf(leaf))))
      const expected = states.map((leaf) => leaves.has(leaf))
      expect(
        here.map((block) => block !== undefined),
        `round ${round}`,
      ).toEqual(expected)
    }
    await trainer.close()
  },
)
