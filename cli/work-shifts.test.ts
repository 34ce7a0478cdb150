import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import { parseSchedule } from '../worker/host/schedule.ts'
import { type ShiftClock, workShifts } from './work-shifts.ts'
import type { WorkerProcess } from './worker-process.ts'

let events: string[]
beforeEach(() => {
  events = []
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => vi.restoreAllMocks())

/** Hours pass in no time; each is told. */
function clockFrom(start: Date): ShiftClock & { time: Date } {
  const clock = {
    time: start,
    now: () => clock.time,
    sleep: async (ms: number, signal: AbortSignal) => {
      if (!signal.aborted) clock.time = new Date(clock.time.getTime() + ms)
    },
  }
  return clock
}

const stamp = (clock: ShiftClock) => {
  const now = clock.now()
  return `${now.getDate()}. ${now.getHours()}:${String(now.getMinutes()).padStart(2, '0')}`
}

function worker(clock: ShiftClock, ends?: Promise<void>): WorkerProcess {
  events.push(`joins ${stamp(clock)}`)
  const life = Promise.withResolvers<void>()
  void ends?.then(life.resolve, life.reject)
  return {
    life: life.promise,
    joined: Promise.resolve(),
    drain: async () => void events.push(`drains ${stamp(clock)}`),
    stop: async () => {
      events.push('stops')
      life.resolve()
    },
  }
}

test('works in its windows only: finishes its round when one closes, joins again when the next opens', async () => {
  const clock = clockFrom(new Date(2026, 4, 5, 12))
  const stopping = new AbortController()
  const ready = vi.fn(async () => {})
  let shifts = 0
  const start = async () => {
    if (++shifts === 3) stopping.abort()
    return worker(clock)
  }
  await workShifts(start, parseSchedule('22:00-08:00'), { stopping: stopping.signal, ready }, clock)
  expect(events).toEqual([
    ...['joins 5. 22:00', 'drains 6. 8:00', 'stops'],
    ...['joins 6. 22:00', 'drains 7. 8:00', 'stops'],
    // Asked to end in the middle of a shift: at once.
    ...['joins 7. 22:00', 'stops'],
  ])
  expect(ready).toHaveBeenCalled()
})

test('without a schedule it works until it is asked to end', async () => {
  const clock = clockFrom(new Date(2026, 4, 5, 12))
  const stopping = new AbortController()
  const ready = async () => stopping.abort()
  await workShifts(async () => worker(clock), null, { stopping: stopping.signal, ready }, clock)
  expect(events).toEqual(['joins 5. 12:00', 'stops'])
})

test('what ends a worker ends the node; a worker that the head has drained does not come back', async () => {
  const clock = clockFrom(new Date(2026, 4, 5, 12))
  const life = { stopping: new AbortController().signal, ready: async () => {} }
  const refused = new MurmurError('JOIN_REFUSED', { message: 'no', next: 'ask' })
  await expect(
    workShifts(async () => worker(clock, Promise.reject(refused)), null, life, clock),
  ).rejects.toBe(refused)
  await workShifts(async () => worker(clock, Promise.resolve()), null, life, clock)
  expect(events).toEqual(['joins 5. 12:00', 'stops', 'joins 5. 12:00', 'stops'])
})
