import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, createPublicClient, createTestClient, http, toHex } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Hash } from '../protocol/ids.ts'
import { confirmationsOf } from './confirmations.ts'
import { deployDevnet, mintDevTokens } from './deploy.ts'
import { type Devnet, devAccount, startDevnet } from './devnet.ts'
import { connectEscrow, escrowRunId } from './escrow.ts'
import type { ChainConfig } from './escrow-port.ts'
import { dumpPayouts, loadPayouts, payoutTree } from './payout-tree.ts'
import { addEarnings, splitReward } from './reward.ts'
import { connectRpc } from './rpc.ts'

const limits = { pollMs: 25 }
const coordinator = devAccount(0)
const funders = [1, 2, 3].map(devAccount)
const workers = [4, 5, 6, 7].map((index) => devAccount(index).address)
const digest = (n: number): Hash => bytesToHex(new Uint8Array(32).fill(n))
const terms = { epochReward: 1_000n, epochs: 3, disputeWindowSeconds: 0, deadline: 4_000_000_000 }
const expectedTokens = 400n

let devnet: Devnet
let config: ChainConfig
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  config = await deployDevnet(devnet, coordinator, limits)
}, 30_000)
afterAll(() => devnet.stop())

test('a run from its funding to the last refund, exact to the base unit', { timeout: 60_000 }, async () => {
  const head = connectEscrow(config, coordinator, limits)
  const { escrowRun } = await head.createRun({ ...terms, specDigest: digest(1) })
  expect(escrowRun).toBe(escrowRunId(coordinator.address, digest(1)))

  const given = [700n, 900n, 1_100n]
  await Promise.all(
    funders.map(async (funder, index) => {
      await mintDevTokens(config, funder, funder.address, given[index]!, limits)
      await connectEscrow(config, funder, limits).fund(escrowRun, given[index]!)
    }),
  )
  expect((await head.funders(escrowRun)).map(({ amount }) => amount).sort()).toEqual([1_100n, 700n, 900n])

  // Epoch 0: all four verified. Epoch 1: the last one failed its audit; what it would have earned is not spent.
  let cumulative: ReadonlyMap<Hash, bigint> = new Map()
  const context = { chainId: config.chainId, escrow: config.escrow, escrowRun }
  for (const [epoch, verifiedTokens] of [
    [100n, 100n, 99n, 51n],
    [100n, 100n, 99n, 0n],
  ].entries()) {
    await head.closeEpoch(escrowRun, epoch, digest(0x40 + epoch), 0)
    const beacon = await head.beacon(escrowRun, epoch, AbortSignal.timeout(10_000))
    expect(beacon.blockHash).toMatch(/^0x[0-9a-f]{64}$/)
    expect(await head.historyRoot(escrowRun, epoch)).toBe(digest(0x40 + epoch))
    const verified = new Map(workers.map((worker, index) => [worker, verifiedTokens[index]!]))
    cumulative = addEarnings(cumulative, splitReward(terms.epochReward, verified, expectedTokens))
    const tree = payoutTree(context, cumulative)
    await head.settleEpoch(escrowRun, {
      epoch,
      payoutRoot: tree.root,
      cumulativeTotal: tree.total,
      checkpoint: digest(0x60 + epoch),
      term: 0,
    })
    expect(await head.finalized(escrowRun)).toEqual({
      epochs: epoch + 1,
      payoutRoot: tree.root,
      cumulativeTotal: tree.total,
    })
  }

  // Anyone can claim for a worker, from the published bytes alone; all at once, from one account.
  const published = loadPayouts(
    dumpPayouts(payoutTree(context, cumulative)),
    (await head.finalized(escrowRun)).payoutRoot,
  )
  const passerBy = connectEscrow(config, devAccount(8), limits)
  await Promise.all(
    workers.map((worker) =>
      passerBy.claim(escrowRun, worker, published.entries.get(worker)!, published.proof(worker)),
    ),
  )
  expect(await Promise.all(workers.map((worker) => head.balanceOf(worker)))).toEqual([500n, 500n, 494n, 127n])
  expect((await head.claims(escrowRun)).reduce((sum, { amount }) => sum + amount, 0n)).toBe(1_621n)
  expect(await head.claimed(escrowRun, workers[0]!)).toBe(500n)

  await head.finish(escrowRun, 0)
  for (const { address } of funders) await passerBy.refund(escrowRun, address)
  const left = 2_700n - 1_621n
  const refunded = await Promise.all(funders.map(({ address }) => head.balanceOf(address)))
  for (const [index, amount] of refunded.entries()) {
    const exact = (given[index]! * left) / 2_700n
    expect(amount - exact).toBeGreaterThanOrEqual(0n)
    expect(amount - exact).toBeLessThanOrEqual(1n)
  }
  expect(await head.accounting(escrowRun)).toEqual({
    funded: 2_700n,
    reserved: 1_621n,
    claimed: 1_621n,
    unspent: 0n,
    refunded: left,
  })
  expect(await head.balanceOf(config.escrow)).toBe(0n)
  expect((await head.run(escrowRun)).ended).toBe(true)
})

test('refusals of the contract come out by name, before anything is sent', { timeout: 20_000 }, async () => {
  const head = connectEscrow(config, coordinator, limits)
  const { escrowRun } = await head.createRun({ ...terms, specDigest: digest(2) })
  await expect(head.createRun({ ...terms, specDigest: digest(2) })).rejects.toMatchObject({
    code: 'TX_REVERTED',
    exit: 'reverted',
    details: { error: 'RunExists' },
    message: expect.stringContaining(escrowRun),
  })
  await expect(
    connectEscrow(config, funders[0], limits).closeEpoch(escrowRun, 0, digest(9), 0),
  ).rejects.toMatchObject({
    code: 'LEASE_LOST',
    details: { error: 'OnlyLeader' },
    message: expect.stringContaining(coordinator.address),
  })
  await expect(head.accounting(digest(3))).rejects.toMatchObject({ details: { error: 'RunUnknown' } })
  await expect(head.beacon(escrowRun, 0, AbortSignal.timeout(5_000))).rejects.toMatchObject({
    code: 'EPOCH_NOT_CLOSED',
  })
  await expect(head.fund(escrowRun, 1n)).rejects.toMatchObject({ code: 'INSUFFICIENT_FUNDS', exit: 'funds' })
  await expect(connectEscrow(config).finish(escrowRun, 0)).rejects.toMatchObject({ code: 'NO_ACCOUNT' })
})

test('an account without coin for gas is told so', async () => {
  const pauper = connectEscrow(config, toHex(0xabcden, { size: 32 }), limits)
  await expect(pauper.createRun({ ...terms, specDigest: digest(4) })).rejects.toMatchObject({
    code: 'INSUFFICIENT_FUNDS',
    exit: 'funds',
  })
})

test('a dead, a mute, a wrong chain and a wrong address are told apart', { timeout: 20_000 }, async () => {
  const mute = createServer(() => {})
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const muteUrl = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`
  const unreachable = { code: 'RPC_UNREACHABLE', exit: 'unreachable' }
  const at = (changed: Partial<ChainConfig>) =>
    connectEscrow({ ...config, ...changed }, coordinator, { ...limits, requestTimeoutMs: 100 })
  await expect(at({ rpcUrl: muteUrl }).accounting(digest(1))).rejects.toMatchObject(unreachable)
  mute.closeAllConnections()
  mute.close()
  await expect(at({ rpcUrl: muteUrl }).finish(digest(1), 0)).rejects.toMatchObject(unreachable)
  await expect(at({ chainId: 1 }).accounting(digest(1))).rejects.toMatchObject({ code: 'WRONG_CHAIN' })
  await expect(at({ escrow: workers[0]! }).accounting(digest(1))).rejects.toMatchObject({
    code: 'ESCROW_MISSING',
  })
})

test('the beacon is the hash of the block after the close', { timeout: 20_000 }, async () => {
  const head = connectEscrow(config, coordinator, limits)
  const { escrowRun } = await head.createRun({ ...terms, specDigest: digest(5) })
  const { blockNumber } = await head.closeEpoch(escrowRun, 0, digest(9), 0)
  const beacon = await head.beacon(escrowRun, 0, AbortSignal.timeout(10_000))
  const block = await createPublicClient({ transport: http(config.rpcUrl) }).getBlock({
    blockNumber: blockNumber + 1n,
  })
  expect(beacon).toEqual({ blockNumber: blockNumber + 1n, blockHash: block.hash })

  const rpc = connectRpc(config, undefined, limits)
  const never = blockNumber + 1_000_000n
  const gone = rpc.read('read a block', (client) => client.getBlock({ blockNumber: never }))
  await expect(gone).rejects.toMatchObject({ code: 'CHAIN_REORGANIZED' })
  await expect(rpc.awaitBlock(never, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})

test('a chain that makes no blocks is told of; one that makes them slowly is waited for', async () => {
  const node = createTestClient({ chain: foundry, mode: 'anvil', transport: http(config.rpcUrl) })
  await node.setIntervalMining({ interval: 0 })
  const newest = await createPublicClient({ transport: http(config.rpcUrl) }).getBlockNumber()
  const rpc = connectRpc(config, undefined, { ...limits, receiptTimeoutMs: 200 })
  await expect(rpc.awaitBlock(newest + 1n)).rejects.toMatchObject({
    code: 'CHAIN_STALLED',
    message: expect.stringContaining(`block ${newest + 1n}`),
  })
  // One block after the other for longer than any of them may take.
  const receiptTimeoutMs = 2_000
  const waiting = connectRpc(config, undefined, { ...limits, receiptTimeoutMs }).awaitBlock(newest + 200n)
  for (const began = performance.now(); performance.now() - began < 1.2 * receiptTimeoutMs; await sleep(20))
    await node.mine({ blocks: 1 })
  await node.mine({ blocks: 200 })
  await waiting
})

test('how many blocks are waited for: none on a devnet', () => {
  expect(confirmationsOf({ chainId: 31_337 })).toBe(0n)
  expect(confirmationsOf({ chainId: 1 })).toBe(12n)
  expect(confirmationsOf({ chainId: 31_337, confirmations: 3 })).toBe(3n)
  expect(confirmationsOf({ chainId: 1, confirmations: 0 })).toBe(0n)
})
