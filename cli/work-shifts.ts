import { setTimeout as systemSleep } from 'node:timers/promises'
import { type Schedule, windowAt } from '../worker/host/schedule.ts'
import { log } from './log.ts'
import type { NodeLife } from './run-node.ts'
import type { WorkerProcess } from './worker-process.ts'

/** The clock is looked at this often: a host that slept, or whose clock was set, is noticed. */
const lookMs = 30_000
/** A round that is not over by then will not be: the worker leaves it. */
const drainTimeoutMs = 15 * 60_000

export interface ShiftClock {
  now(): Date
  /** Resolves after a time, or when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

const systemClock: ShiftClock = {
  now: () => new Date(),
  sleep: (ms, signal) => systemSleep(ms, undefined, { signal }).catch(() => {}),
}

/**
 * Works while the schedule is open, always without one. When it closes, the worker finishes its round and leaves; when it
 * opens, it joins again. Returns when the node is asked to end.
 * @throws what ends a worker's life
 */
export async function workShifts(
  start: () => Promise<WorkerProcess>,
  schedule: Schedule | null,
  { stopping, ready }: NodeLife,
  clock: ShiftClock = systemClock,
): Promise<void> {
  while (!stopping.aborted) {
    const window = schedule === null ? null : windowAt(schedule, clock.now())
    if (schedule !== null && window?.open === false) {
      log('SCHEDULE_CLOSED', `joins when it opens, ${timeOf(window.changesAt)}`)
      await ready()
      await untilSchedule(schedule, true, stopping, clock)
      continue
    }
    const shift = new AbortController()
    const ended = AbortSignal.any([stopping, shift.signal])
    const worker = await start()
    try {
      const closed = schedule === null ? untilAborted(ended) : untilSchedule(schedule, false, ended, clock)
      const why = await Promise.race([
        worker.life.then(() => 'left' as const),
        closed.then(() => 'closed' as const),
        // Only what recording it throws.
        worker.joined.then(ready).then(() => new Promise<never>(() => {})),
      ])
      // The head's owner has drained it: it is not wanted back.
      if (why === 'left') return
      if (!stopping.aborted) {
        log('SCHEDULE_CLOSES', 'the worker leaves after its round')
        await worker.drain(AbortSignal.any([stopping, AbortSignal.timeout(drainTimeoutMs)]))
      }
    } finally {
      shift.abort()
      await worker.stop()
    }
  }
}

/** Resolves when the schedule is open, or closed, or the signal aborts. */
async function untilSchedule(
  schedule: Schedule,
  open: boolean,
  signal: AbortSignal,
  clock: ShiftClock,
): Promise<void> {
  while (!signal.aborted) {
    const now = clock.now()
    const window = windowAt(schedule, now)
    if (window.open === open) return
    const untilChangeMs = window.changesAt === null ? lookMs : window.changesAt.getTime() - now.getTime()
    await clock.sleep(Math.min(lookMs, untilChangeMs), signal)
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

const timeOf = (at: Date | null): string => (at === null ? 'never' : `at ${at.toLocaleString()}`)
