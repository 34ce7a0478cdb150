import { expect, test } from 'vitest'
import { peer } from '../protocol/fixtures/names.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import {
  deadMs,
  disconnected,
  disconnectGraceMs,
  heard,
  isAlive,
  joined,
  left,
  livenessOf,
  type Members,
  maxClusterMembers,
  silent,
  suspectMs,
  type Telemetry,
} from './members.ts'

const about = (number: number) => ({
  ...{ id: peer(number), engineClass: 'x', addresses: [], payout: null, incarnation: 'i', offer: null },
})
/** The members after a heartbeat; those before stay as they were. */
function beat(members: Members, worker: WorkerId, telemetry: Telemetry, now: number) {
  const after = new Map(members)
  heard(after, worker, { telemetry, offer: null, draining: false }, now)
  return after
}
const one = joined(new Map(), about(1), 0)!
const alive = (members: Members, now: number) => isAlive(members.get(peer(1))!, now)

test('names count up, and a worker that returns keeps its own', () => {
  const two = joined(one, about(2), 5)!
  const again = joined(two, { ...about(1), engineClass: 'y' }, 9)!
  expect(
    [...again.values()].map(({ name, engineClass, lastSeenMs }) => [name, engineClass, lastSeenMs]),
  ).toEqual([
    ['w1', 'y', 9],
    ['w2', 'x', 5],
  ])
  expect(one.size).toBe(1)
})

test('alive while it is heard', () => {
  expect(alive(one, deadMs)).toBe(true)
  expect(alive(one, deadMs + 1)).toBe(false)
  const later = beat(one, peer(1), { ...silent, step: 3 }, 10_000)
  expect(alive(later, 10_000 + deadMs)).toBe(true)
  expect(later.get(peer(1))?.telemetry.step).toBe(3)
})

test('a lost connection is forgiven for a while, and by a word', () => {
  const gone = disconnected(beat(one, peer(1), silent, 1000), peer(1), 1000)
  expect(alive(gone, 1000 + disconnectGraceMs)).toBe(true)
  expect(alive(gone, 1001 + disconnectGraceMs)).toBe(false)
  expect(alive(disconnected(gone, peer(1), 4000), 1001 + disconnectGraceMs), 'the first loss counts').toBe(
    false,
  )
  expect(alive(beat(gone, peer(1), silent, 2000), 8000)).toBe(true)
  expect(alive(joined(gone, about(1), 2000)!, 8000)).toBe(true)
})

test('suspected before it is given up, and later where it is far away', () => {
  const liveness = (members: Members, now: number) => livenessOf(members.get(peer(1))!, now)
  expect([suspectMs, suspectMs + 1, deadMs + 1].map((now) => liveness(one, now))).toEqual([
    'alive',
    'suspect',
    'dead',
  ])
  const offer = {
    devices: [],
    cores: 1,
    memoryBytes: 1,
    diskBytes: 1,
    upBytesPerSecond: 0,
    downBytesPerSecond: 0,
    roundTripMs: 500,
    labels: [],
  }
  const far = joined(new Map(), { ...about(1), offer }, 0)!
  expect([suspectMs + 1, deadMs + 1, deadMs + 4001].map((now) => liveness(far, now))).toEqual([
    'alive',
    'suspect',
    'dead',
  ])
})

test('a new process has not told anything yet', () => {
  const told = beat(one, peer(1), { ...silent, step: 3 }, 5)
  const stepOf = (members: Members) => members.get(peer(1))?.telemetry.step
  expect(stepOf(joined(told, about(1), 6)!)).toBe(3)
  expect(stepOf(joined(told, { ...about(1), incarnation: 'j' }, 6)!)).toBe(0)
})

test('strangers are not remembered by what they say', () => {
  expect(beat(one, peer(9), silent, 0)).toEqual(one)
  expect(disconnected(one, peer(9), 0)).toBe(one)
})

test('a full cluster takes nobody new, but everyone back', () => {
  let members: Members = new Map()
  for (let number = 0; number < maxClusterMembers; number++) {
    members = new Map(members).set(workerId(`p${number}`), {
      ...one.get(peer(1))!,
      id: workerId(`p${number}`),
    })
  }
  expect(joined(members, about(1), 0)).toBeNull()
  expect(joined(members, { ...about(1), id: workerId('p7') }, 3)?.get(workerId('p7'))?.lastSeenMs).toBe(3)
})

test('who said goodbye is gone at once, and still has its name and its account', () => {
  const payout = `0x${'11'.repeat(20)}` as const
  const two = joined(joined(new Map(), { ...about(1), payout }, 0)!, about(2), 0)!
  const after = left(two, peer(1))
  expect(alive(after, 0)).toBe(false)
  expect(after.get(peer(1))?.payout).toBe(payout)
  expect(joined(after, about(3), 1)!.get(peer(3))?.name).toBe('w3')
  expect(left(two, peer(9))).toBe(two)
})

test('a full table gives the place of the one that is gone the longest, and no name twice', () => {
  let members = joined(one, about(2), 1)!
  const add = (id: string) => {
    members = joined(members, { ...about(1), id: workerId(id) }, deadMs + 2)!
  }
  for (let number = 2; number < maxClusterMembers; number++) add(`p${number}`)
  add('first')
  expect([members.size, members.has(peer(1)), members.has(peer(2))]).toEqual([maxClusterMembers, false, true])
  add('second')
  expect([members.size, members.has(peer(2))]).toEqual([maxClusterMembers, false])
  expect(new Set([...members.values()].map(({ name }) => name)).size).toBe(maxClusterMembers)
})

test('newcomers push nobody out who is owed for work; when all who are gone are, a newcomer is turned away', () => {
  let members = joined(one, about(2), 1)!
  for (let number = 2; number < maxClusterMembers; number++)
    members = joined(members, { ...about(1), id: workerId(`p${number}`) }, deadMs + 2)!
  const join = (owed: readonly string[]) =>
    joined(members, { ...about(1), id: workerId('new') }, deadMs + 2, (id) => owed.includes(id))
  expect([...join([peer(1)])!.keys()]).toEqual(expect.arrayContaining([peer(1), 'new']))
  expect(join([peer(1)])!.has(peer(2))).toBe(false)
  expect(join([peer(1), peer(2)])).toBeNull()
})
