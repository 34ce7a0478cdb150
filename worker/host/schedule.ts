import { MurmurError } from '../../protocol/errors.ts'

/** One window of every day, in minutes of local time since midnight; it goes over midnight when `end` ≤ `start`. */
interface DailyWindow {
  readonly startMinute: number
  /** Up to 1,440: the midnight at the day's end. */
  readonly endMinute: number
}

/** When a worker works; the union of its windows. */
export type Schedule = readonly DailyWindow[]

export interface Window {
  readonly open: boolean
  /** When that changes next; null when the windows cover the whole day. */
  readonly changesAt: Date | null
}

const maxWindows = 16
const minutesPerDay = 1_440

/**
 * Daily windows from `22:00-08:00` or `12:00-13:30,22:00-06:00`, local time.
 * @throws MurmurError SCHEDULE_INVALID (exit `usage`)
 */
export function parseSchedule(text: string): Schedule {
  const parts = text.split(',')
  if (parts.length > maxWindows) throw invalid(`${parts.length} windows are more than ${maxWindows}`)
  return parts.map((part) => {
    const [, fromHour, fromMinute, toHour, toMinute] =
      /^\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*$/.exec(part) ?? []
    const startMinute = Number(fromHour) * 60 + Number(fromMinute)
    const endMinute = Number(toHour) * 60 + Number(toMinute)
    const sixtieths = Math.max(Number(fromMinute), Number(toMinute))
    // Written so that what is no number is refused.
    if (!(startMinute < minutesPerDay && endMinute <= minutesPerDay && sixtieths < 60))
      throw invalid(`"${part.slice(0, 40)}" is not a window of the day`)
    if (startMinute === endMinute) throw invalid(`${part.trim()} is empty; 00:00-24:00 is the whole day`)
    return { startMinute, endMinute }
  })
}

/**
 * Whether the schedule is open at an instant, and until when. Windows are spans between two wall-clock times: on the
 * days when clocks change, one is an hour longer or shorter.
 */
export function windowAt(schedule: Schedule, at: Date): Window {
  const spans = schedule
    .flatMap(({ startMinute, endMinute }) =>
      // From yesterday, whose window may reach into today, until after the next change.
      [-1, 0, 1, 2].map((day) => ({
        start: localTime(at, day, startMinute),
        end: localTime(at, endMinute > startMinute ? day : day + 1, endMinute),
      })),
    )
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start)
  const now = at.getTime()
  let openUntil = now
  for (const { start, end } of spans) {
    if (start <= openUntil && end > openUntil) openUntil = end
    else if (start > openUntil) break
  }
  if (openUntil === now) {
    const next = spans.find(({ start }) => start > now)
    return { open: false, changesAt: next === undefined ? null : new Date(next.start) }
  }
  const horizon = Math.max(...spans.map(({ end }) => end))
  return { open: true, changesAt: openUntil === horizon ? null : new Date(openUntil) }
}

/** Milliseconds since the epoch of a minute of local time, `days` after the day of `at`. */
function localTime(at: Date, days: number, minute: number): number {
  return new Date(
    at.getFullYear(),
    at.getMonth(),
    at.getDate() + days,
    Math.floor(minute / 60),
    minute % 60,
  ).getTime()
}

function invalid(message: string): MurmurError {
  return new MurmurError('SCHEDULE_INVALID', {
    message,
    next: 'write it as --schedule 22:00-08:00, several windows with commas between them',
    exit: 'usage',
  })
}
