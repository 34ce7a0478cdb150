import { expect, test, vi } from 'vitest'
import type { KeptFor } from '../checkpoints/kept-blocks.ts'
import { createLoopback, type Loopback, testSignal } from '../network/loopback.ts'
import { type ExitKind, MurmurError } from '../protocol/errors.ts'
import { aRun } from '../protocol/fixtures/names.ts'
import type { RunId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Network } from '../protocol/ports.ts'
import { type Assignment, decode, encode } from '../protocol/wire.ts'
import { DeclinedRuns } from './declined-runs.ts'
import { keptMs } from './kept-runs.ts'
import { WorkerNode, type WorkerNodeDependencies } from './node.ts'

const keepsNothing = { name: async () => {}, drop: async () => {}, runs: () => new Map() }

/** A head that has no work unless told, tells how often and with what it was asked, and wants to hear once a minute. */
function idleHead(network: Network) {
  let beats = 0
  let assignment: Assignment | null = null
  const phases: string[] = []
  const errors: string[] = []
  let tell = () => {}
  network.handleRequests(async (_, payload) => {
    const { body } = decode('HeadRequest', payload, maxRequestBytes)
    if (body.kind === 'join') {
      return encode('HeadReply', {
        body: { kind: 'welcome', name: 'w1', heartbeatMs: 60_000, heads: [], protocol: 1 },
      })
    }
    if (body.kind === 'heartbeat') {
      beats++
      phases.push(body.phase)
      errors.push(body.error)
    }
    tell()
    return encode('HeadReply', {
      body: {
        ...{ kind: 'beat', assignment, announcement: new Uint8Array(), heads: [] },
        ...{ drain: false, stay: false },
      },
    })
  })
  return {
    ...{ phases, errors },
    assign: (given: Assignment | null) => {
      assignment = given
    },
    beat: async (count: number) => {
      while (beats < count)
        await new Promise<void>((resolve) => {
          tell = resolve
        })
      return beats
    },
  }
}

test('its head wakes a worker between two heartbeats; what anybody else asks is refused', async () => {
  await using loopback = createLoopback()
  const [head, node, stranger] = [await loopback.start(), await loopback.start(), await loopback.start()]
  const { beat } = idleHead(head)
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock: { now: () => Date.now() }, log: () => {} },
      engine: { engineClass: 'none' },
      store: { blocks: { get: async () => undefined } },
      kept: keepsNothing,
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  await beat(1)
  await head.request(node.self, new Uint8Array(), testSignal())
  expect(await beat(2)).toBe(2)
  await loopback.connect(stranger, node)
  for (const [asker, payload] of [
    [stranger, new Uint8Array()],
    [head, Uint8Array.of(1)],
  ] as const)
    await expect(asker.request(node.self, payload, testSignal())).rejects.toMatchObject({
      code: 'NOT_SERVING',
    })
  await worker.stop()
  await life
})

test('a worker lets go of a run of long ago once its head has had an hour to open it', async () => {
  await using loopback = createLoopback()
  const [head, node] = [await loopback.start(), await loopback.start()]
  const { beat } = idleHead(head)
  const clock = { nowMs: 8 * keptMs, now: () => clock.nowMs }
  const letGo: boolean[] = []
  const kept = {
    runs: () => new Map([[aRun, 0]]),
    drop: async (isOver: (part: KeptFor) => boolean) => void letGo.push(isOver({ run: aRun, kind: 'run' })),
  }
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock, log: () => {}, kept },
      engine: { engineClass: 'none' },
      store: { blocks: {} },
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  const beatAfter = async (count: number) => {
    await head.request(node.self, new Uint8Array(), testSignal())
    await beat(count)
  }
  await beat(1)
  await beatAfter(2)
  expect(letGo).toEqual([])
  clock.nowMs += 3_600_000
  await beatAfter(3)
  await beatAfter(4)
  expect(letGo).toEqual([true])
  await worker.stop()
  await life
})

const cannot = (code: string, exit: ExitKind) => new MurmurError(code, { message: 'no', next: 'none', exit })

/** A worker whose every block is refused with `error`, and which is told of `aRun`. */
async function assigned(loopback: Loopback, error: MurmurError) {
  const [head, node] = [await loopback.start(), await loopback.start()]
  const { beat, assign, phases, errors } = idleHead(head)
  const work = {
    ...{ run: aRun, term: 1, peers: [], newestManifest: null, payoutTree: null },
    ...{ escrow: null, ended: false },
  } as unknown as Assignment
  assign(work)
  const logged: string[] = []
  let nowMs = 0
  const worker = new WorkerNode(
    { addresses: [head.addresses()[0]!], token: '', payout: null, agent: 'test' },
    {
      ...{ network: node, clock: { now: () => nowMs }, log: (code: string) => logged.push(code) },
      engine: { engineClass: 'none' },
      store: { blocks: { get: async () => await Promise.reject(error) } },
      kept: keepsNothing,
    } as unknown as WorkerNodeDependencies,
  )
  const life = worker.live()
  return {
    ...{ beat, phases, errors, logged },
    assign: (does: boolean) => assign(does ? work : null),
    pass: (ms: number) => {
      nowMs += ms
    },
    wake: async () => void (await head.request(node.self, new Uint8Array(), testSignal())),
    async [Symbol.asyncDispose]() {
      await worker.stop()
      await life
    },
  }
}

test.each<[string, ExitKind]>([
  ['ENGINE_LACKS_F16', 'infeasible'],
  ['DATA_MISFIT', 'usage'],
  ['COMPUTE_DIFFERS', 'usage'],
  ['PROGRAM_INVALID', 'verification'],
])('a run that it cannot do (%s) is loaded once, and declined whenever a head asks', async (code, exit) => {
  await using loopback = createLoopback()
  await using worker = await assigned(loopback, cannot(code, exit))
  const { beat, assign, wake, phases, errors, logged } = worker
  // Woken by its own failure, and then by the head.
  await beat(2)
  for (const [change, count] of [
    [() => {}, 3],
    [() => assign(false), 4],
    [() => {}, 5],
    // As a head that took over would; woken again by its own answer.
    [() => assign(true), 7],
  ] as const) {
    change()
    await wake()
    await beat(count)
  }
  expect(phases).toEqual(['idle', 'declined', 'declined', 'declined', 'idle', 'idle', 'declined'])
  expect(errors.at(-1)).toBe(`${code}: no`)
  expect(logged.filter((text) => text === code)).toHaveLength(1)
})

test.each<[string, ExitKind]>([
  ['BLOCK_UNAVAILABLE', 'unreachable'],
  ['BLOCK_CORRUPTED', 'verification'],
])('a run whose blocks do not come (%s) is tried again, after a pause', async (code, exit) => {
  await using loopback = createLoopback()
  await using worker = await assigned(loopback, cannot(code, exit))
  const failures = () => worker.logged.filter((text) => text === code).length
  await worker.beat(1)
  await vi.waitFor(() => expect(failures()).toBe(1))
  // The third is asked for after the answer to the second.
  for (const count of [2, 3]) {
    await worker.wake()
    await worker.beat(count)
  }
  expect(failures()).toBe(1)
  worker.pass(500)
  await worker.wake()
  await worker.beat(4)
  await vi.waitFor(() => expect(failures()).toBe(2))
  expect(worker.phases).toEqual(['idle', 'idle', 'idle', 'idle'])
})

test('runs that are declined are remembered, the last 256 of them', () => {
  const declined = new DeclinedRuns()
  const runs = Array.from({ length: 257 }, (_, index) => `${aRun}${index}` as RunId)
  for (const [index, run] of runs.entries()) declined.add(run, `reason ${index}`)
  const kept = runs.map((run) => declined.reasonFor(run))
  expect(kept[0]).toBeUndefined()
  expect(kept.slice(1)).toEqual(runs.slice(1).map((_, index) => `reason ${index + 1}`))
})
