import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { workerId } from '../protocol/ids.ts'
import { createKey } from './identity.ts'
import { createLoopback, type Loopback, testSignal } from './loopback.ts'

const lonelyNode = fileURLToPath(new URL('./fixtures/lonely-node.ts', import.meta.url))

let loopback: Loopback
beforeEach(() => {
  loopback = createLoopback()
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
})

/** A TCP server that never says anything, and its port. */
async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('dialling is idempotent, works for dial-only nodes, and both sides know each other', async () => {
  const [head, worker] = [await loopback.start(), await loopback.start({ listen: [] })]
  expect(head.addresses()).toEqual([expect.stringMatching(`^/ip4/127.0.0.1/tcp/\\d+/p2p/${head.self}$`)])
  expect(worker.addresses()).toEqual([])
  const address = head.addresses()[0]!
  expect(await worker.dial(address, testSignal())).toBe(head.self)
  expect(await worker.dial(address, testSignal())).toBe(head.self)
  expect(await worker.dial(address.replace(/\/p2p\/.*/, ''), testSignal())).toBe(head.self)
  expect(await head.dial(address, testSignal())).toBe(head.self)
  expect(worker.connectedPeers()).toEqual([head.self])
  expect(head.connectedPeers()).toEqual([worker.self])
})

test('a node on all interfaces gives addresses that can be dialled; announced ones replace them', async () => {
  const [everywhere, forwarded, worker] = [
    await loopback.start({ listen: ['/ip4/0.0.0.0/tcp/0'] }),
    await loopback.start({ announce: ['/ip4/203.0.113.7/tcp/4101'] }),
    await loopback.start({ listen: [] }),
  ]
  expect(everywhere.addresses().join()).not.toContain('0.0.0.0')
  expect(await worker.dial(everywhere.addresses()[0]!, testSignal())).toBe(everywhere.self)
  expect(forwarded.addresses()).toEqual([`/ip4/203.0.113.7/tcp/4101/p2p/${forwarded.self}`])
})

test.each([
  '',
  'nonsense',
  '/ip4/1.2.3.4',
  '/ip4/127.0.0.1/udp/1/quic-v1',
  `/ip4/127.0.0.1/tcp/1/p2p/${'x'.repeat(600)}`,
])('the address "%s" is refused as such', async (address) => {
  const node = await loopback.start({ listen: [] })
  await expect(node.dial(address, testSignal())).rejects.toMatchObject({
    code: 'ADDRESS_INVALID',
    exit: 'usage',
  })
  await expect(loopback.start({ listen: [address] })).rejects.toMatchObject({ code: 'ADDRESS_INVALID' })
})

test('an address where nobody answers, and one where another answers', async () => {
  const [node, other, third] = [
    await loopback.start({ listen: [] }),
    await loopback.start(),
    await loopback.start(),
  ]
  const { server, port } = await listening()
  server.close()
  await once(server, 'close')
  const address = `/ip4/127.0.0.1/tcp/${port}`
  const error = await node.dial(address, testSignal()).catch((caught) => caught)
  expect(error).toMatchObject({ code: 'BOOTSTRAP_UNREACHABLE', exit: 'unreachable', details: { address } })
  expect(error.message).toContain(address)
  const impostor = other.addresses()[0]!.replace(other.self, third.self)
  await expect(node.dial(impostor, testSignal())).rejects.toMatchObject({
    code: 'PEER_ID_MISMATCH',
    exit: 'auth',
  })
})

test('a dial ends when its signal says so', async () => {
  const node = await loopback.start({ listen: [] })
  const { server, port } = await listening()
  const controller = new AbortController()
  const reason = new Error('enough')
  server.once('connection', () => controller.abort(reason))
  await expect(node.dial(`/ip4/127.0.0.1/tcp/${port}`, controller.signal)).rejects.toBe(reason)
  server.close()
})

test('a port in use is named', async () => {
  const { server, port } = await listening()
  await expect(loopback.start({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    details: { port },
  })
  server.close()
})

test('a peer that is killed is reported gone, once; an unsubscribed listener hears nothing', async () => {
  const head = await loopback.start()
  const child = spawn(process.execPath, [lonelyNode, head.addresses()[0]!], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout, 'data')
  const peer = workerId(String(line).trim())
  expect(head.connectedPeers()).toEqual([peer])
  const gone: string[] = []
  head.onDisconnect(() => gone.push('never'))()
  await new Promise<void>((resolve) => {
    head.onDisconnect((lost) => {
      gone.push(lost)
      resolve()
    })
    child.kill('SIGKILL')
  })
  expect(gone).toEqual([peer])
  expect(head.connectedPeers()).toEqual([])
})

test('after stop nothing keeps the process alive', async () => {
  const run = promisify(execFile)(process.execPath, [lonelyNode], { timeout: 20_000 })
  await expect(run).resolves.toMatchObject({ stdout: expect.stringContaining('stopped') })
}, 25_000)

test('a signature is its signer’s, of these bytes, and of nothing else', async () => {
  const key = await createKey()
  const [a, b] = [await loopback.start({ listen: [], privateKey: key }), await loopback.start({ listen: [] })]
  const bytes = new TextEncoder().encode('manifest')
  const signature = await a.sign(bytes)
  expect(signature).toHaveLength(64)
  expect(await b.verify(a.self, bytes, signature)).toBe(true)
  expect(await b.verify(b.self, bytes, signature)).toBe(false)
  expect(await b.verify(a.self, bytes.subarray(1), signature)).toBe(false)
  expect(await b.verify(a.self, bytes, signature.subarray(1))).toBe(false)
  expect(await b.verify(workerId('nobody'), bytes, signature)).toBe(false)
  // What the same key signs elsewhere, without our prefix, is no signature of ours.
  expect(await b.verify(a.self, bytes, new Uint8Array(await key.sign(bytes)))).toBe(false)
})
