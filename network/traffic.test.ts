import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { createLoopback, testSignal } from './loopback.ts'

test('traffic is what crossed the sockets: both ends agree, overhead stays small, closed connections count', async () => {
  await using loopback = createLoopback()
  const [asker, holder] = [await loopback.start(), await loopback.start()]
  expect(asker.traffic()).toEqual({ sentBytes: 0, receivedBytes: 0 })
  await loopback.connect(asker, holder)
  const handshake = asker.traffic()
  expect(handshake.sentBytes).toBeGreaterThan(100)

  const block = new Uint8Array(5_000_000).fill(3)
  holder.serveBlocks({ get: async () => block })
  await asker.fetchBlock([holder.self], contentId(block, 'raw'), {
    signal: testSignal(),
    maxBytes: block.length,
  })
  const received = asker.traffic().receivedBytes
  expect(received).toBeGreaterThan(block.length)
  // Noise adds 18 bytes per 65,519 and yamux 12 per frame; windows, identify and gossip's greeting some KiB.
  expect(received).toBeLessThan(block.length * 1.005 + 20_000)

  const gone = new Promise<void>((resolve) => holder.onDisconnect(() => resolve()))
  await asker.stop()
  await gone
  expect(holder.traffic().sentBytes).toBe(asker.traffic().receivedBytes)
  expect(holder.traffic().receivedBytes).toBe(asker.traffic().sentBytes)
  expect(asker.traffic().receivedBytes).toBeGreaterThanOrEqual(received)
})
