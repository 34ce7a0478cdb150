import type { Stream } from '@libp2p/interface'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { networkLimits, type Patience } from './limits.ts'
import { createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'
import { protocols } from './protocols.ts'
import { encodeWants } from './wants.ts'

/** Short, for those tests whose subject is a peer that does not go on. */
/** Only for peers that stall: an honest one on a busy host must not look like them. */
const impatient: Partial<Patience> = { idleMs: 600, blockBaseMs: 1500 }
const block = Uint8Array.from({ length: 6_000_000 }, (_, index) => (index * 2654435761) >>> 13)
const cid = contentId(block, 'raw')

let loopback: Loopback
beforeEach(() => {
  loopback = createLoopback()
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
  expect(loopback.faults).toEqual([])
})

const serve = (node: Libp2pNetwork, ...blocks: readonly Uint8Array[]): void => {
  const byCid = new Map<CidText, Uint8Array>(blocks.map((bytes) => [contentId(bytes, 'raw'), bytes]))
  node.serveBlocks({ get: async (wanted) => byCid.get(wanted) })
}
const fetchFrom = (node: Libp2pNetwork, peers: readonly WorkerId[], wanted = cid, maxBytes = 2 ** 30) =>
  node.fetchBlock(peers, wanted, { signal: testSignal(), maxBytes })

async function pair(patience: Partial<Patience> = {}) {
  const [asker, holder] = [await loopback.start({ patience }), await loopback.start({ patience })]
  await loopback.connect(asker, holder)
  return { asker, holder }
}

/** A node that answers every want list with what `behave` sends. */
async function hostile(asker: Libp2pNetwork, behave: (stream: Stream) => void): Promise<Libp2pNetwork> {
  const node = await loopback.start()
  await node.libp2p.unhandle(protocols.blocks)
  await node.libp2p.handle(protocols.blocks, (stream) => {
    stream.addEventListener('message', () => behave(stream), { once: true })
  })
  await loopback.connect(asker, node)
  return node
}
const offer = (length: number): Uint8Array => {
  const header = new Uint8Array(5)
  header[0] = 1
  new DataView(header.buffer).setUint32(1, length)
  return header
}

test('a 6 MB block, an empty one, and one in another codec arrive whole', async () => {
  const { asker, holder } = await pair()
  serve(holder, block, new Uint8Array())
  expect(Buffer.compare(await fetchFrom(asker, [holder.self]), block)).toBe(0)
  expect(await fetchFrom(asker, [holder.self], contentId(new Uint8Array(), 'raw'))).toHaveLength(0)
  holder.serveBlocks({ get: async () => Uint8Array.of(0xa0) })
  const map = contentId(Uint8Array.of(0xa0), 'dag-cbor')
  expect(await fetchFrom(asker, [holder.self], map)).toEqual(Uint8Array.of(0xa0))
})

test('many fetches at once from one peer all succeed', async () => {
  const { asker, holder } = await pair()
  const blocks = Array.from({ length: 40 }, (_, index) => new Uint8Array(100_000).fill(index))
  serve(holder, ...blocks)
  const fetched = await Promise.all(
    blocks.map((bytes) => fetchFrom(asker, [holder.self], contentId(bytes, 'raw'))),
  )
  fetched.forEach((bytes, index) => {
    expect(Buffer.compare(bytes, blocks[index]!)).toBe(0)
  })
})

test('a block that nobody has is unavailable, and says who was asked', async () => {
  const { asker, holder } = await pair()
  const error = await fetchFrom(asker, [holder.self]).catch((caught) => caught)
  expect(error).toMatchObject({ code: 'BLOCK_UNAVAILABLE', exit: 'unreachable' })
  expect(error.message).toContain(`${holder.self.slice(-8)}: BLOCK_NOT_FOUND`)
  await expect(fetchFrom(asker, [])).rejects.toMatchObject({ code: 'BLOCK_UNAVAILABLE' })
})

test('a block over the asker’s bound is refused by its length', async () => {
  const { asker, holder } = await pair()
  serve(holder, block)
  await expect(fetchFrom(asker, [holder.self], cid, block.length - 1)).rejects.toMatchObject({
    cause: { code: 'BLOCK_TOO_LONG' },
  })
  expect(asker.traffic().receivedBytes).toBeLessThan(block.length)
})

describe('a hostile holder', () => {
  const wrong = new Uint8Array(1000)
  const drip = (stream: Stream): void => {
    stream.send(offer(wrong.length))
    const timer = setInterval(() => (stream.status === 'open' ? stream.send(wrong.subarray(0, 1)) : 0), 20)
    stream.addEventListener('close', () => clearInterval(timer))
  }
  const endless = (stream: Stream): void => {
    stream.send(offer(wrong.length))
    const more = (): void => {
      while (stream.writeStatus === 'writable' && stream.send(new Uint8Array(65536)));
    }
    stream.addEventListener('drain', more)
    more()
  }
  const truncate = (stream: Stream): void => {
    stream.send(offer(block.length))
    stream.send(wrong)
    void stream.close()
  }
  test.each<[string, (stream: Stream) => void, string]>([
    ['wrong bytes', (stream) => stream.send(offer(wrong.length)) && stream.send(wrong), 'BLOCK_CORRUPT'],
    ['bytes without end', endless, 'BLOCK_CORRUPT'],
    ['the claim of 4 GiB', (stream) => stream.send(offer(2 ** 32 - 1)), 'BLOCK_TOO_LONG'],
    ['less than it claimed', truncate, 'STREAM_ENDED'],
    ['garbage', (stream) => stream.send(Uint8Array.of(77, 1, 2, 3)), 'BLOCK_MALFORMED'],
    ['a reset', (stream) => stream.abort(new Error('hostile')), 'STREAM_ENDED'],
    ['nothing', () => {}, 'STREAM_IDLE'],
    ['a byte now and then', drip, 'BLOCK_TOO_SLOW'],
  ])('that sends %s is passed over for the next peer', async (_name, behave, code) => {
    const stalls = code === 'STREAM_IDLE' || code === 'BLOCK_TOO_SLOW'
    const { asker, holder } = await pair(stalls ? impatient : {})
    const liar = await hostile(asker, behave)
    const error = await fetchFrom(asker, [liar.self]).catch((caught) => caught)
    expect(error.code).toBe('BLOCK_UNAVAILABLE')
    expect(error.cause).toMatchObject({
      code,
      ...(code.startsWith('BLOCK') && code !== 'BLOCK_TOO_SLOW' ? { details: { peer: liar.self } } : {}),
    })
    serve(holder, block)
    expect(Buffer.compare(await fetchFrom(asker, [liar.self, holder.self]), block)).toBe(0)
  })
})

describe('a hostile asker', () => {
  const ask = async (asker: Libp2pNetwork, holder: Libp2pNetwork, wants: Uint8Array): Promise<Stream> => {
    const stream = await asker.libp2p.getConnections(holder.libp2p.peerId)[0]!.newStream(protocols.blocks)
    stream.send(wants)
    return stream
  }
  const closed = (stream: Stream): Promise<unknown> =>
    stream.status === 'open' || stream.status === 'closing'
      ? new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
      : Promise.resolve()

  test.each([
    ['no wants', Uint8Array.of(0, 0)],
    ['65,535 wants', Uint8Array.of(255, 255)],
    ['wants that are no CIDs', Uint8Array.of(0, 1, ...new Uint8Array(36).fill(7))],
  ])('with %s loses its stream, and only that', async (_name, wants) => {
    const { asker, holder } = await pair()
    serve(holder, block)
    await closed(await ask(asker, holder, wants))
    expect(Buffer.compare(await fetchFrom(asker, [holder.self]), block)).toBe(0)
  })

  test('that reads slowly holds one frame of the holder’s memory, and one that stops is cut', async () => {
    const { asker, holder } = await pair({ idleMs: 1000 })
    const large = new Uint8Array(24_000_000)
    serve(holder, large)
    const stream = await ask(asker, holder, encodeWants([contentId(large, 'raw')]))
    const held: number[] = []
    let received = 0
    await new Promise<void>((resolve) => {
      stream.addEventListener('message', ({ data }) => {
        received += data.byteLength
        const [sending] = holder.libp2p
          .getConnections()[0]!
          .streams.filter(({ protocol }) => protocol === protocols.blocks)
        held.push(sending?.writeBufferLength ?? 0)
        if (received < 12_000_000) return
        stream.pause()
        resolve()
      })
    })
    const [sending] = holder.libp2p
      .getConnections()[0]!
      .streams.filter(({ protocol }) => protocol === protocols.blocks)
    await closed(sending!)
    expect(Math.max(...held)).toBeLessThanOrEqual(2 * networkLimits.frameBytes)
    expect(received).toBeLessThan(large.length)
  })
})

test('a fetch ends when its signal says so, and when the node stops', async () => {
  const { asker } = await pair()
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const silent = await hostile(asker, () => resolve())
  const reason = new Error('changed my mind')
  const signal = AbortSignal.abort(reason)
  await expect(asker.fetchBlock([silent.self], cid, { signal, maxBytes: 2 ** 30 })).rejects.toBe(reason)
  const controller = new AbortController()
  const waiting = asker.fetchBlock([silent.self], cid, { signal: controller.signal, maxBytes: 2 ** 30 })
  await asked
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  const pending = fetchFrom(asker, [silent.self])
  await Promise.all([expect(pending).rejects.toThrow('stopping'), asker.stop()])
})
