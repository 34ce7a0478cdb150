import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSchedule, windowAt } from './schedule.ts'

const zone = process.env.TZ
beforeAll(() => {
  // Clocks go forward at 02:00 on 29 March 2026, and back at 03:00 on 25 October.
  process.env.TZ = 'Europe/Berlin'
})
afterAll(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

const minute = fc.integer({ min: 0, max: 1_439 })
const clock = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
const windows = fc.array(
  fc.tuple(minute, minute).filter(([start, end]) => start !== end),
  { minLength: 1, maxLength: 4 },
)
const textOf = (spans: readonly (readonly [number, number])[]): string =>
  spans.map(([start, end]) => `${clock(start)}-${clock(end)}`).join(',')

test('open is what the wall clock says, and nothing changes before it is told to', () => {
  fc.assert(
    fc.property(
      windows,
      // In May no clock is changed.
      fc.integer({ min: 0, max: 20 * 1_440 }),
      fc.integer({ min: 0, max: 59_999 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (spans, minutes, ms, part) => {
        const at = new Date(new Date(2026, 4, 5).getTime() + minutes * 60_000 + ms)
        const schedule = parseSchedule(textOf(spans))
        const isOpen = (when: Date): boolean => {
          const now = when.getHours() * 60 + when.getMinutes()
          return spans.some(([start, end]) =>
            start < end ? now >= start && now < end : now >= start || now < end,
          )
        }
        const { open, changesAt } = windowAt(schedule, at)
        expect(open).toBe(isOpen(at))
        if (changesAt === null) {
          for (let hour = 0; hour < 24; hour++)
            expect(isOpen(new Date(at.getTime() + hour * 3_600_000))).toBe(open)
          return
        }
        expect(changesAt.getTime()).toBeGreaterThan(at.getTime())
        expect(isOpen(changesAt)).toBe(!open)
        expect(isOpen(new Date(at.getTime() + part * (changesAt.getTime() - at.getTime())))).toBe(open)
      },
    ),
    { numRuns: 500 },
  )
})

describe('22:00-08:00', () => {
  const nights = parseSchedule('22:00-08:00')
  // Local times, read when the zone is set.
  test.each([
    ['in the evening', '2026-05-05T23:00', true, '2026-05-06T08:00'],
    ['in the morning', '2026-05-05T07:59', true, '2026-05-05T08:00'],
    ['at its end', '2026-05-05T08:00', false, '2026-05-05T22:00'],
    ['at its start', '2026-05-05T22:00', true, '2026-05-06T08:00'],
    ['over the end of a year', '2026-12-31T23:00', true, '2027-01-01T08:00'],
  ])('%s', (_, at, open, changesAt) => {
    expect(windowAt(nights, new Date(at))).toEqual({ open, changesAt: new Date(changesAt) })
  })
})

test('when clocks change, a window is as long as between its two wall-clock times', () => {
  const early = parseSchedule('01:30-03:30')
  const spring = windowAt(early, new Date('2026-03-29T00:45:00Z'))
  expect(spring).toEqual({ open: true, changesAt: new Date('2026-03-29T01:30:00Z') })
  // 02:30 comes twice, an hour apart: the window is open at both.
  for (const twice of ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'])
    expect(windowAt(early, new Date(twice))).toEqual({
      open: true,
      changesAt: new Date('2026-10-25T02:30:00Z'),
    })
})

test('the whole day, in one window or several, never changes', () => {
  for (const text of ['00:00-24:00', '00:00-12:00,12:00-24:00', '06:00-18:00,18:00-06:00'])
    expect(windowAt(parseSchedule(text), new Date(2026, 4, 5, 13))).toEqual({ open: true, changesAt: null })
})

test.each([
  '',
  '22-8',
  '24:00-08:00',
  '22:60-08:00',
  '22:00-25:00',
  '22:00-24:01',
  '08:00-08:00',
  'x'.repeat(1e5),
])('what is no schedule is told: %s', (text) => {
  expect(() => parseSchedule(text)).toThrow(
    expect.objectContaining({ code: 'SCHEDULE_INVALID', exit: 'usage' }),
  )
})

test('more windows than a day has use for', () => {
  expect(() => parseSchedule(Array(17).fill('01:00-02:00').join(','))).toThrow(
    expect.objectContaining({ code: 'SCHEDULE_INVALID' }),
  )
})
