import { createPublicClient, createTestClient, erc20Abi, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { deployDevnet } from './deploy.ts'
import { type Devnet, devAccount, startDevnet } from './devnet.ts'
import { isPassing } from './errors.ts'
import { connectEscrow } from './escrow.ts'
import type { ChainConfig } from './escrow-port.ts'
import { connectRpc } from './rpc.ts'

/* Transactions that no block takes for a while, on a chain that makes blocks when it is told to. */

const account = devAccount(0)

let devnet: Devnet
let config: ChainConfig
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  config = await deployDevnet(devnet, account, { pollMs: 10 })
  await nodeOf().setIntervalMining({ interval: 0 })
}, 30_000)
afterAll(() => devnet?.stop())
afterEach(() => vi.unstubAllGlobals())

const nodeOf = () => createTestClient({ chain: foundry, mode: 'anvil', transport: http(devnet.rpcUrl) })
const sentSoFar = () =>
  createPublicClient({ transport: http(devnet.rpcUrl) }).getTransactionCount({
    address: account.address,
    blockTag: 'pending',
  })
const impatient = () => connectRpc(config, account, { pollMs: 10, receiptTimeoutMs: 300 })
const approval = (amount: bigint) => ({
  address: config.token,
  abi: erc20Abi,
  functionName: 'approve',
  args: [config.escrow, amount],
})
const unconfirmed = { code: 'TX_UNCONFIRMED' }

test('a transaction that waits for its block is not sent a second time', async () => {
  const rpc = impatient()
  const approve = (amount: bigint) => rpc.write('approve', approval(amount))
  const before = await sentSoFar()
  await expect(approve(1n)).rejects.toMatchObject(unconfirmed)
  await expect(approve(1n)).rejects.toMatchObject(unconfirmed)
  expect(await sentSoFar()).toBe(before + 1)
  // Another call is another transaction.
  await expect(approve(2n)).rejects.toMatchObject(unconfirmed)
  expect(await sentSoFar()).toBe(before + 2)
  await nodeOf().mine({ blocks: 1 })
  const first = await approve(1n)
  await approve(2n)
  expect(await sentSoFar()).toBe(before + 2)
  // What is in a block is done: the same call is meant once more.
  await expect(approve(1n)).rejects.toMatchObject(unconfirmed)
  expect(await sentSoFar()).toBe(before + 3)
  await nodeOf().mine({ blocks: 1 })
  expect((await approve(1n)).txHash).not.toBe(first.txHash)
})

test('one that the chain has dropped is sent again', async () => {
  const rpc = impatient()
  const approve = () => rpc.write('approve', approval(3n))
  const before = await sentSoFar()
  await expect(approve()).rejects.toMatchObject(unconfirmed)
  await nodeOf().request({ method: 'anvil_dropAllTransactions' } as never)
  expect(await sentSoFar()).toBe(before)
  await expect(approve()).rejects.toMatchObject(unconfirmed)
  await nodeOf().mine({ blocks: 1 })
  await approve()
  expect(await sentSoFar()).toBe(before + 1)
})

test('nodes of different heights behind one address are no blocks', async () => {
  let reads = 0
  vi.stubGlobal('fetch', async (_url: string, request: RequestInit) => {
    const { id, method } = JSON.parse(String(request.body))
    const result = method === 'eth_chainId' ? '0x7a69' : reads++ % 2 === 0 ? '0x64' : '0x63'
    return Response.json({ jsonrpc: '2.0', id, result })
  })
  await expect(impatient().awaitBlock(0x66n)).rejects.toMatchObject({
    code: 'CHAIN_STALLED',
    message: expect.stringContaining(`block ${0x65}`),
  })
})

test.each(['nonce too low', 'already known', 'replacement transaction underpriced'])(
  'a node that says "%s" has an earlier transaction of the account',
  async (message) => {
    const { fetch } = globalThis
    vi.stubGlobal('fetch', async (url: string, request: RequestInit) => {
      const { id, method } = JSON.parse(String(request.body))
      if (method !== 'eth_sendRawTransaction') return await fetch(url, request)
      return Response.json({ jsonrpc: '2.0', id, error: { code: -32_000, message } })
    })
    const error = await impatient()
      .write('approve', approval(4n))
      .catch((refused: unknown) => refused)
    expect([error, isPassing(error)]).toMatchObject([unconfirmed, true])
  },
)

test('who waits for confirmations is told how many there are', async () => {
  const block = await createPublicClient({ transport: http(devnet.rpcUrl) }).getBlockNumber()
  const told: (readonly bigint[])[] = []
  await connectEscrow({ ...config, confirmations: 2 }, undefined, { pollMs: 10 }).confirm(
    block + 1n,
    AbortSignal.timeout(4_000),
    (...seen) => {
      told.push(seen)
      void nodeOf().mine({ blocks: 1 })
    },
  )
  expect(told[0]).toEqual([block + 1n, 0n, 2n])
  for (const [, confirmed] of told) expect(confirmed).toBeLessThan(2n)
})
