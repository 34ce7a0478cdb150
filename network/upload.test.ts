import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { networkLimits } from './limits.ts'
import { createLoopback, testSignal } from './loopback.ts'
import { createUploadPacer } from './upload.ts'

const signal = new AbortController().signal

/** A clock that only sleeping moves, one sleeper at a time in the order of waking. */
function virtualTime() {
  let now = 1_000_000
  const sleeps: number[] = []
  return {
    clock: { now: () => now },
    sleeps,
    sleep: async (ms: number) => {
      sleeps.push(ms)
      now += ms
    },
    elapsedMs: () => now - 1_000_000,
  }
}

test('frames leave in the order of asking, one after the other at the rate; idle time is not saved up', async () => {
  let now = 0
  const waits: number[] = []
  const pacer = createUploadPacer(1_000_000, {
    clock: { now: () => now },
    sleep: async (ms) => {
      waits.push(ms)
    },
  })
  await Promise.all([100_000, 50_000, 200_000, 1].map((byteCount) => pacer.pass(byteCount, signal)))
  expect(waits).toEqual([100, 150, 350])
  now = 60_000
  await pacer.pass(500_000, signal)
  await pacer.pass(1, signal)
  expect(waits).toEqual([100, 150, 350, 500])
})

test('frames and blocks at once follow from the rate; one at which nothing arrives in time is refused', () => {
  const { clock, sleep } = virtualTime()
  const pacer = (rate: number) => createUploadPacer(rate, { clock, sleep })
  expect(pacer(1e9)).toMatchObject({
    frameBytes: networkLimits.frameBytes,
    answers: networkLimits.blockAnswers,
  })
  expect(pacer(65_536)).toMatchObject({ frameBytes: 16_384, answers: 1 })
  expect(pacer(2_500_000)).toMatchObject({ frameBytes: 262_144, answers: 19 })
  for (const rate of [65_535, 0, -1, Number.NaN])
    expect(() => pacer(rate)).toThrow(
      expect.objectContaining({ code: 'UPLOAD_LIMIT_TOO_LOW', exit: 'usage' }),
    )
})

test('a node sends blocks no faster than its limit, to all peers together', async () => {
  const time = virtualTime()
  await using loopback = createLoopback(time.clock)
  const rate = 500_000
  const holder = await loopback.start({ maxUploadBytesPerSecond: rate }, { sleep: time.sleep })
  const askers = await Promise.all([loopback.start({ listen: [] }), loopback.start({ listen: [] })])
  const block = Uint8Array.from({ length: 2_000_000 }, (_, index) => (index * 2654435761) >>> 13)
  holder.serveBlocks({ get: async () => block })
  const fetched = await Promise.all(
    askers.map(async (asker) => {
      await loopback.connect(asker, holder)
      return await asker.fetchBlock([holder.self], contentId(block, 'raw'), {
        signal: testSignal(),
        maxBytes: block.length,
      })
    }),
  )
  for (const bytes of fetched) expect(Buffer.compare(bytes, block)).toBe(0)
  // All but the last frame were waited for; each wait was of one frame's time, or of two where both asked at once.
  const frameMs = 1000 / 8
  expect(time.elapsedMs()).toBeGreaterThanOrEqual(((2 * block.length) / rate) * 1000 - 2 * frameMs)
  expect(Math.max(...time.sleeps)).toBeLessThanOrEqual(2 * frameMs)
  await expect(loopback.start({ maxUploadBytesPerSecond: 1 })).rejects.toMatchObject({
    code: 'UPLOAD_LIMIT_TOO_LOW',
  })
})
