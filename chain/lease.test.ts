import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, createTestClient, createWalletClient, http, zeroHash } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Hash } from '../protocol/ids.ts'
import { deployDevnet, mintDevTokens } from './deploy.ts'
import { type Devnet, devAccount, startDevnet } from './devnet.ts'
import { connectEscrow } from './escrow.ts'
import type { ChainConfig, Escrow } from './escrow-port.ts'
import { runEscrowAbi } from './generated/run-escrow.ts'

/* Heads that fail over, against a real chain: what the fence holds back, and what a head that died left for the next. */
const limits = { pollMs: 25 }
const coordinator = devAccount(0)
const standby = devAccount(1)
const digest = (n: number): Hash => bytesToHex(new Uint8Array(32).fill(n))
const terms = { epochReward: 1_000n, epochs: 3, disputeWindowSeconds: 0, deadline: 4_000_000_000 }
const lost = (term: number) => ({
  code: 'LEASE_LOST',
  exit: 'reverted',
  details: { error: 'TermStale', term },
})

let devnet: Devnet
let config: ChainConfig
let first: Escrow
let second: Escrow
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  config = await deployDevnet(devnet, coordinator, limits)
  first = connectEscrow(config, coordinator, limits)
  second = connectEscrow(config, standby, limits)
  await mintDevTokens(config, coordinator, coordinator.address, 10_000n, limits)
}, 30_000)
afterAll(() => devnet.stop())

async function fundedRun(n: number, deadline = terms.deadline): Promise<Hash> {
  const specDigest = digest(n)
  const standbys = [standby.address]
  const { escrowRun } = await first.createRun({ ...terms, deadline, specDigest, standbys })
  await first.fund(escrowRun, 1_000n)
  return escrowRun
}
const settlement = (epoch: number, cumulativeTotal: bigint, term: number) => ({
  epoch,
  payoutRoot: digest(0x50 + epoch),
  cumulativeTotal,
  checkpoint: digest(0x60 + epoch),
  term,
})

test('a standby takes over between close and settle; the old head can do nothing more', async () => {
  const run = await fundedRun(1)
  expect(await first.lease(run)).toEqual({ leader: coordinator.address, term: 0 })
  expect(await first.takeLease(run, 8)).toMatchObject({
    txHash: expect.any(String),
    gasUsed: expect.any(BigInt),
  })
  await first.closeEpoch(run, 0, digest(0x40), 8)
  const beacon = await first.beacon(run, 0, AbortSignal.timeout(10_000))

  await second.takeLease(run, 9)
  expect(await first.lease(run)).toEqual({ leader: standby.address, term: 9 })
  await expect(first.settleEpoch(run, settlement(0, 900n, 8))).rejects.toMatchObject(lost(9))
  await expect(first.closeEpoch(run, 1, digest(0x41), 8)).rejects.toMatchObject(lost(9))
  await expect(first.finish(run, 8)).rejects.toMatchObject(lost(9))
  await expect(first.takeLease(run, 9)).rejects.toMatchObject(lost(9))

  // The successor finds the anchored history and the same beacon, and settles.
  expect(await second.historyRoot(run, 0)).toBe(digest(0x40))
  expect(await second.beacon(run, 0, AbortSignal.timeout(10_000))).toEqual(beacon)
  expect(await second.settlement(run, 0)).toBeUndefined()
  const sent = await second.settleEpoch(run, settlement(0, 100n, 9))

  // The first head leads again, in a term of its own, and learns what was settled meanwhile.
  await first.takeLease(run, 16)
  const { term: _, ...settled } = settlement(0, 100n, 9)
  expect(await first.settlement(run, 0)).toEqual({ ...settled, ...sent, finalizesAt: expect.any(Number) })
  expect(await first.settlement(run, 1)).toBeUndefined()
  await first.finish(run, 16)
})

test('a head that took the lease and did not hear of it takes the same term again for nothing', async () => {
  const run = await fundedRun(2)
  await first.takeLease(run, 8)
  expect(await first.takeLease(run, 8)).toBeNull()
  await expect(second.takeLease(run, 8)).rejects.toMatchObject(lost(8))
  await expect(first.takeLease(run, 7)).rejects.toMatchObject(lost(8))
  const stranger = connectEscrow(config, devAccount(5), limits)
  await expect(stranger.takeLease(run, 99)).rejects.toMatchObject({
    code: 'TX_REVERTED',
    details: { error: 'NeitherCoordinatorNorStandby' },
  })
})

test('standbys that could not take over are refused at the start', async () => {
  const created = (standbys: readonly `0x${string}`[]) =>
    first.createRun({ ...terms, specDigest: digest(3), standbys })
  for (const standbys of [
    [coordinator.address],
    [standby.address, standby.address],
    Array(8).fill(standby.address),
  ])
    await expect(created(standbys)).rejects.toMatchObject({ details: { error: 'StandbysInvalid' } })
})

test('with all heads gone anyone ends the run after its deadline, and the money goes back', async () => {
  const node = createTestClient({ chain: foundry, mode: 'anvil', transport: http(config.rpcUrl) })
  const run = await fundedRun(5)
  await second.takeLease(run, 9)
  await second.closeEpoch(run, 0, zeroHash, 9)
  await node.setNextBlockTimestamp({ timestamp: BigInt(terms.deadline) + 1n })
  await node.mine({ blocks: 1 })
  const anyone = connectEscrow(config, devAccount(6), limits)
  await anyone.expire(run)
  await anyone.refund(run, coordinator.address)
  expect(await anyone.accounting(run)).toMatchObject({ unspent: 0n, refunded: 1_000n })
})

test('a call that was overtaken in its own block is told so by name', async () => {
  // The test before has passed the other runs' deadline.
  const run = await fundedRun(4, 2 * terms.deadline)
  const node = createTestClient({ chain: foundry, mode: 'anvil', transport: http(config.rpcUrl) })
  const pending = async (count: number) => {
    while (Number((await node.getTxpoolStatus()).pending) < count) await sleep(10)
  }
  await node.setIntervalMining({ interval: 0 }) // From here on blocks come when the test says so.
  // The old head's call passes its simulation and waits for a block; the new head's pays more and comes first.
  const closing = first.closeEpoch(run, 0, digest(0x40), 0).then(
    () => 'closed',
    (error: unknown) => error,
  )
  await pending(1)
  await createWalletClient({
    account: standby,
    chain: foundry,
    transport: http(config.rpcUrl),
  }).writeContract({
    address: config.escrow,
    abi: runEscrowAbi,
    functionName: 'takeLease',
    args: [run, 9],
    maxPriorityFeePerGas: 50_000_000_000n,
    maxFeePerGas: 100_000_000_000n,
  })
  await pending(2)
  await node.mine({ blocks: 1 })
  expect(await closing).toMatchObject(lost(9))
  expect(await first.historyRoot(run, 0)).toBeUndefined()
})
