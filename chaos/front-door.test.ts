import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FrontDoor, openFrontDoor } from './front-door.ts'
import { Link, Links } from './links.ts'
import { socketOwner } from './socket-owner.ts'

let stack: AsyncDisposableStack
let link: Link
let door: FrontDoor
/** What the node behind the door got, and its side of each connection. */
let arrived: Buffer
let inside: Socket[]
let wake: () => void

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  link = new Link()
  arrived = Buffer.alloc(0)
  inside = []
  wake = () => {}
  const node = createServer((socket) => {
    inside.push(socket)
    socket.on('error', () => {})
    socket.on('data', (piece) => {
      arrived = Buffer.concat([arrived, piece])
      wake()
    })
  }).listen(0, '127.0.0.1')
  await once(node, 'listening')
  stack.defer(() => void node.close())
  const { port } = node.address() as AddressInfo
  door = stack.use(await openFrontDoor({ port }, async () => link))
})
afterEach(() => stack.disposeAsync())

async function dial(): Promise<Socket> {
  const socket = connect(door.port, '127.0.0.1')
  socket.on('error', () => {})
  stack.defer(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** An error may come before the end, and says no more. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))

async function untilArrived(bytes: number): Promise<void> {
  while (arrived.length < bytes) {
    const { promise, resolve } = Promise.withResolvers<void>()
    wake = resolve
    await promise
  }
}

test('everything passes in both directions, in order, and so does the end', async () => {
  const sent = Buffer.alloc(3_000_000)
  for (let index = 0; index < sent.length; index += 4) sent.writeUInt32LE(index, index)
  const socket = await dial()
  socket.end(sent)
  await untilArrived(sent.length)
  expect(arrived.equals(sent)).toBe(true)
  inside[0]!.end('answer')
  expect(String((await once(socket, 'data'))[0])).toBe('answer')
})

test('a cut resets what is open and refuses what is new, until it heals', async () => {
  const socket = await dial()
  socket.write('before')
  await untilArrived(6)
  const reset = closed(socket)
  const heal = link.add({ kind: 'cut' })
  await reset
  await closed(connect(door.port, '127.0.0.1').on('error', () => {}))
  expect(arrived.toString()).toBe('before')
  heal()
  ;(await dial()).write(' after')
  await untilArrived(12)
  expect(arrived.toString()).toBe('before after')
})

test('a silent line keeps its bytes until it is heard again', async () => {
  const socket = await dial()
  socket.write('one')
  await untilArrived(3)
  const heal = link.add({ kind: 'silent' })
  socket.write(' two')
  // Another connection over another link would be heard meanwhile: what is held is held by this one.
  await new Promise<void>((resolve) => socket.write(' three', () => resolve()))
  expect(arrived.toString()).toBe('one')
  heal()
  await untilArrived(13)
  expect(arrived.toString()).toBe('one two three')
})

test('a slow line brings everything, in order', async () => {
  const heal = link.add({ kind: 'slow', delayMs: 20, bytesPerSecond: 4_000_000 })
  const socket = await dial()
  for (let index = 0; index < 200; index++) socket.write(`${String(index).padStart(4, '0')} `)
  await untilArrived(1_000)
  heal()
  const numbers = arrived.toString().trim().split(' ').map(Number)
  expect(numbers).toEqual(Array.from({ length: 200 }, (_, index) => index))
})

test('a corrupting line turns one bit of each piece, so many times', async () => {
  link.add({ kind: 'corrupt', pieces: 1 })
  const socket = await dial()
  socket.write('aaaa')
  await untilArrived(4)
  socket.write('aaaa')
  await untilArrived(8)
  expect(arrived.toString()).toBe('aa`aaaaa')
})

test('a link is one for both of its ends, and trouble of a node is on all of its links', () => {
  const links = new Links()
  expect(links.between('a', 'b')).toBe(links.between('b', 'a'))
  const heal = links.trouble('a', ['a', 'b', 'c'], { kind: 'cut' })
  expect(
    [links.between('b', 'a'), links.between('a', 'c'), links.between('b', 'c')].map(({ isCut }) => isCut),
  ).toEqual([true, true, false])
  heal()
  expect(links.between('a', 'b').isCut).toBe(false)
})

test.runIf(process.platform === 'linux')(
  'the owner of a connection is the process that dialled',
  async () => {
    const socket = await dial()
    const processes = new Map([
      ['init', 1],
      ['this', process.pid],
    ])
    expect(await socketOwner(socket.localPort!, door.port, processes)).toBe('this')
    expect(await socketOwner(socket.localPort!, 1, processes)).toBeUndefined()
  },
)
