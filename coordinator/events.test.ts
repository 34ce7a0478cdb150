import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventFeed, type EventPage } from './events.ts'

const clock = { now: () => 1_000 }
const none = { run: null, round: null, worker: null } as const
const say = (feed: EventFeed, text: string) => feed.append({ kind: 'note', ...none, code: 'SAID', text })
const texts = ({ events }: EventPage) => events.map(({ text }) => text)

test('events have a sequence and a time; 0 asks for all, a page at a time', () => {
  const feed = new EventFeed(clock, { capacity: 4 })
  expect(feed.since(0)).toEqual({ events: [], next: 1_000, newest: 1_000, gap: false })
  for (const text of ['a', 'b', 'c']) say(feed, text)
  const first = feed.since(0, 2)
  expect(first).toMatchObject({ gap: false, next: 1_002, newest: 1_003 })
  expect(first.events[0]).toMatchObject({ sequence: 1_001, at: 1_000, kind: 'note', text: 'a' })
  expect(texts(feed.since(first.next))).toEqual(['c'])
  expect(texts(feed.since(feed.newest))).toEqual([])
})

test('what is not kept any more, or was told by an earlier head, is a gap', () => {
  const feed = new EventFeed(clock, { capacity: 3 })
  for (const text of ['a', 'b', 'c', 'd', 'e']) say(feed, text)
  expect(feed.since(0)).toMatchObject({ gap: true })
  expect(texts(feed.since(0))).toEqual(['c', 'd', 'e'])
  expect(feed.since(1_001).gap).toBe(true)
  expect(feed.since(1_002)).toMatchObject({ gap: false })
  // Of a head before this one, or made up.
  expect(feed.since(17)).toMatchObject({ gap: true, next: 1_005 })
  expect(feed.since(5_000)).toMatchObject({ gap: true, next: 1_005 })
})

test('pages of any size, begun anywhere, lose and repeat nothing that is kept', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 70 }),
      (capacity, count, limit, offset) => {
        const feed = new EventFeed(clock, { capacity })
        for (let index = 1; index <= count; index++) say(feed, String(1_000 + index))
        const since = 1_000 + offset
        const read: number[] = []
        let place = since
        for (let page = feed.since(place, limit); page.events.length > 0; page = feed.since(place, limit)) {
          read.push(...page.events.map(({ sequence }) => sequence))
          place = page.next
        }
        const from = Math.max(since <= 1_000 + count ? since + 1 : 0, 1_000 + count - capacity + 1, 1_001)
        const kept = Array.from({ length: Math.max(0, 1_000 + count - from + 1) }, (_, index) => from + index)
        expect(read).toEqual(kept)
      },
    ),
  )
})

test('a follower gets what is kept and then what comes; texts are bounded', async () => {
  const feed = new EventFeed(clock)
  say(feed, 'before')
  const ended = new AbortController()
  const follower = feed.follow(0, ended.signal)
  expect(texts((await follower.next()).value as EventPage)).toEqual(['before'])
  const waiting = follower.next()
  say(feed, 'x'.repeat(5_000))
  expect(texts((await waiting).value as EventPage)[0]!.length).toBe(1_000)
  const last = follower.next()
  ended.abort()
  expect(await last).toEqual({ done: true, value: undefined })
})

test('without a place a follower begins now; with one that is gone it is told first', async () => {
  const feed = new EventFeed(clock, { capacity: 2 })
  for (const text of ['a', 'b', 'c']) say(feed, text)
  const { signal } = new AbortController()
  const fresh = feed.follow(undefined, signal).next()
  say(feed, 'd')
  expect(texts((await fresh).value as EventPage)).toEqual(['d'])
  expect((await feed.follow(3, signal).next()).value).toMatchObject({ gap: true })
})

test('a slow follower is dropped with a code; the others are not disturbed', async () => {
  const feed = new EventFeed(clock, { capacity: 100, maxBehind: 10 })
  const { signal } = new AbortController()
  const [slow, quick] = [feed.follow(undefined, signal), feed.follow(undefined, signal)]
  const [slowFirst, quickFirst] = [slow.next(), quick.next()]
  say(feed, 'one')
  await slowFirst
  expect(texts((await quickFirst).value as EventPage)).toEqual(['one'])
  for (let index = 0; index < 8; index++) say(feed, `more ${index}`)
  expect(texts((await quick.next()).value as EventPage).length).toBe(8)
  for (let index = 0; index < 8; index++) say(feed, `again ${index}`)
  await expect(slow.next()).rejects.toMatchObject({ code: 'SUBSCRIBER_SLOW' })
  expect(texts((await quick.next()).value as EventPage).length).toBe(8)
})

test('a listener hears every event until it no longer wants to', () => {
  const feed = new EventFeed(clock)
  const heard: string[] = []
  const stop = feed.listen(({ text }) => heard.push(text))
  say(feed, 'a')
  stop()
  say(feed, 'b')
  expect(heard).toEqual(['a'])
})
