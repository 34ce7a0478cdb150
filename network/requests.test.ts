import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import { networkLimits } from './limits.ts'
import { createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { Libp2pNetwork } from './node.ts'
import { protocols } from './protocols.ts'

let loopback: Loopback
beforeEach(() => {
  loopback = createLoopback()
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
})

async function pair(requestMs?: number) {
  const patience = requestMs === undefined ? {} : { requestMs }
  const [worker, head] = [await loopback.start({ listen: [], patience }), await loopback.start({ patience })]
  await loopback.connect(worker, head)
  return { worker, head }
}
const ask = (from: Libp2pNetwork, to: Libp2pNetwork, payload = new Uint8Array([1])) =>
  from.request(to.self, payload, testSignal())

/** Replaces the node's answering by raw bytes. */
async function answersRaw(node: Libp2pNetwork, bytes: Uint8Array): Promise<void> {
  await node.libp2p.unhandle(protocols.requests)
  await node.libp2p.handle(protocols.requests, (stream) => {
    stream.send(bytes)
    void stream.close()
  })
}

test('a request is answered, and its asker known by its key, in both directions and at full size', async () => {
  const { worker, head } = await pair()
  const askers: string[] = []
  const echo = async (peer: string, payload: Uint8Array) => {
    askers.push(peer)
    return payload
  }
  head.handleRequests(echo)
  worker.handleRequests(echo)
  const full = new Uint8Array(networkLimits.requestBytes).fill(7)
  expect(await ask(worker, head, full)).toEqual(full)
  expect(await ask(head, worker, new Uint8Array())).toEqual(new Uint8Array())
  expect(askers).toEqual([worker.self, head.self])
})

test('a handler’s MurmurError reaches the asker; any other error only as INTERNAL', async () => {
  const { worker, head } = await pair()
  const [message, next] = ['the token\u001b[2J is wrong', 'ask for another']
  head.handleRequests(async () => {
    throw new MurmurError('TOKEN_REFUSED', { message, next, exit: 'auth' })
  })
  await expect(ask(worker, head)).rejects.toMatchObject({
    code: 'TOKEN_REFUSED',
    message: 'the token [2J is wrong',
    next,
    exit: 'auth',
  })
  const secret = new Error('password in /home/x')
  head.handleRequests(async () => {
    throw secret
  })
  const error = await ask(worker, head).catch((caught) => caught)
  expect(error.code).toBe('INTERNAL')
  expect(JSON.stringify([error.message, error.next])).not.toContain('password')
  expect(loopback.faults).toEqual([secret])
})

test('a node without a handler says so', async () => {
  const { worker, head } = await pair()
  await expect(ask(worker, head)).rejects.toMatchObject({ code: 'NOT_SERVING', exit: 'unreachable' })
})

test('too long requests and answers are refused before they are sent', async () => {
  const { worker, head } = await pair()
  const long = new Uint8Array(networkLimits.requestBytes + 1)
  head.handleRequests(async () => long)
  await expect(ask(worker, head, long)).rejects.toMatchObject({ code: 'REQUEST_TOO_LONG' })
  await expect(ask(worker, head)).rejects.toMatchObject({ code: 'RESPONSE_TOO_LONG' })
})

describe('a hostile answerer', () => {
  test.each<[string, Uint8Array, string]>([
    ['claims 4 GiB', Uint8Array.of(0, 255, 255, 255, 255), 'RESPONSE_TOO_LONG'],
    ['stops in the middle', Uint8Array.of(0, 0, 0, 1, 0, 5), 'STREAM_ENDED'],
    ['says nothing', Uint8Array.of(), 'STREAM_ENDED'],
    ['has a status of its own', Uint8Array.of(9, 0, 0, 0, 0), 'RESPONSE_MALFORMED'],
    ['sends an error that is no JSON', Uint8Array.of(1, 0, 0, 0, 1, 255), 'RESPONSE_MALFORMED'],
    ['sends an error of another shape', Uint8Array.of(1, 0, 0, 0, 2, 123, 125), 'RESPONSE_MALFORMED'],
  ])('that %s is told apart', async (_name, bytes, code) => {
    const { worker, head } = await pair()
    await answersRaw(head, bytes)
    await expect(ask(worker, head)).rejects.toMatchObject({ code })
  })

  test('that never answers costs no more than the time bound', async () => {
    const { worker, head } = await pair(200)
    head.handleRequests(() => new Promise(() => {}))
    await expect(ask(worker, head)).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT', exit: 'timeout' })
  })
})

describe('a hostile asker', () => {
  test.each([
    ['claims 4 GiB', Uint8Array.of(255, 255, 255, 255)],
    ['stops in the middle', Uint8Array.of(0, 0, 0, 9, 1)],
    ['sends nothing more', Uint8Array.of(0)],
  ])('that %s loses its stream, and never reaches the handler', async (_name, bytes) => {
    const { worker, head } = await pair(300)
    let handled = 0
    head.handleRequests(async (_peer, payload) => {
      handled++
      return payload
    })
    const stream = await worker.libp2p.getConnections()[0]!.newStream(protocols.requests)
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
    stream.send(bytes)
    await closed
    expect(handled).toBe(0)
    expect(await ask(worker, head)).toEqual(new Uint8Array([1]))
  })
})

test.each([
  ['/murmur/head/0', 'upgrade murmur on 12D3', 'version 0'],
  ['/murmur/head/7', 'upgrade murmur on this node', 'version 7'],
  ['/other/1', 'check that the address is of a murmur node', 'does not speak it'],
])(
  'a peer that speaks %s is a version mismatch that says who is to upgrade',
  async (spoken, next, theirs) => {
    const [worker, head] = [await loopback.start(), await loopback.start()]
    await head.libp2p.unhandle(protocols.requests)
    await head.libp2p.handle(spoken, () => {})
    await loopback.connect(worker, head)
    const error = await ask(worker, head).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'PROTOCOL_MISMATCH', exit: 'version' })
    expect(error.message).toContain(theirs)
    expect(error.message).toContain('this node speaks version 1')
    expect(error.next).toContain(next)
  },
)

test('a peer that is not connected, or no peer at all, is refused without dialling', async () => {
  const [worker, head] = [await loopback.start(), await loopback.start()]
  await expect(ask(worker, head)).rejects.toMatchObject({ code: 'PEER_DISCONNECTED', exit: 'unreachable' })
  await expect(worker.request('nobody' as never, new Uint8Array(), testSignal())).rejects.toMatchObject({
    code: 'PEER_ID_INVALID',
  })
})
