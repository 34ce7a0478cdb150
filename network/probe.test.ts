import { afterEach, beforeEach, expect, test } from 'vitest'
import { networkLimits } from './limits.ts'
import { createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'
import { protocols } from './protocols.ts'

let loopback: Loopback
let now = 0
beforeEach(() => {
  now = 0
  loopback = createLoopback({ now: () => now })
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
  expect(loopback.faults).toEqual([])
})

async function pair() {
  const [asker, answerer] = [await loopback.start({ listen: [] }), await loopback.start()]
  await loopback.connect(asker, answerer)
  return { asker, answerer }
}
const measure = (asker: Libp2pNetwork, peer: Libp2pNetwork, bytes?: number) =>
  asker.measure(peer.self, testSignal(), bytes === undefined ? {} : { bytes })

test('a connection is measured, both ways, and the bytes really crossed', async () => {
  const { asker, answerer } = await pair()
  const { roundTripMs, downBytesPerSecond, upBytesPerSecond } = await measure(asker, answerer, 2_000_000)
  for (const figure of [roundTripMs, downBytesPerSecond, upBytesPerSecond]) {
    expect(figure).toBeGreaterThan(0)
    expect(figure).toBeLessThan(Number.POSITIVE_INFINITY)
  }
  const { sentBytes, receivedBytes } = asker.traffic()
  expect(Math.min(sentBytes, receivedBytes)).toBeGreaterThan(2_000_000)
  expect(Math.max(sentBytes, receivedBytes)).toBeLessThan(2_100_000)
})

test('one peer may measure now and then, another is not held back by it', async () => {
  const { asker, answerer } = await pair()
  const other = await loopback.start({ listen: [] })
  await loopback.connect(other, answerer)
  for (let probe = 0; probe < networkLimits.probeBurst; probe++) await measure(asker, answerer, 1000)
  await expect(measure(asker, answerer, 1000)).rejects.toMatchObject({
    code: 'PROBE_REFUSED',
    details: { peer: answerer.self },
  })
  await measure(other, answerer, 1000)
  now += 60_000
  await measure(asker, answerer, 1000)
})

test('more than the bound is refused by its number, before a byte is sent', async () => {
  const { asker, answerer } = await pair()
  await expect(measure(asker, answerer, networkLimits.probeBytes + 1)).rejects.toMatchObject({
    code: 'PROBE_REFUSED',
  })
  expect(asker.traffic().receivedBytes).toBeLessThan(50_000)
})

test('an answerer that stops ends in an error that names it', async () => {
  const { asker, answerer } = await pair()
  await answerer.libp2p.unhandle(protocols.probe)
  await answerer.libp2p.handle(protocols.probe, (stream) => {
    stream.send(Uint8Array.of(0))
    void stream.close()
  })
  await expect(measure(asker, answerer)).rejects.toMatchObject({ code: 'STREAM_ENDED' })
  await answerer.libp2p.unhandle(protocols.probe)
  await expect(measure(asker, answerer)).rejects.toMatchObject({ code: 'PROTOCOL_MISMATCH' })
})
