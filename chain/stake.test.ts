import { createTestClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { StakeAdmission } from './admission.ts'
import { deployDevnet, mintDevTokens } from './deploy.ts'
import { type Devnet, devAccount, startDevnet } from './devnet.ts'
import type { ChainConfig } from './escrow-port.ts'
import { connectStake } from './stake.ts'

const limits = { pollMs: 25 }
const unbondingSeconds = 3_600
const [deployer, worker, patron] = [devAccount(0), devAccount(1), devAccount(2)]

let devnet: Devnet
let config: ChainConfig
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  config = await deployDevnet(devnet, deployer, limits, unbondingSeconds)
  await mintDevTokens(config, worker, worker.address, 100n, limits)
}, 30_000)
afterAll(() => devnet.stop())

test('a stake from its deposit to the way back', async () => {
  const stake = connectStake(config, worker, limits)
  expect(stake.contract).toBe(config.stake)
  expect(await stake.unbondingSeconds()).toBe(unbondingSeconds)
  let now = 0
  const admission = new StakeAdmission(stake, { now: () => now })
  expect(await admission.hasStake(worker.address, 80n)).toBe(false)
  await expect(stake.deposit(101n)).rejects.toMatchObject({ code: 'INSUFFICIENT_FUNDS', exit: 'funds' })
  await stake.deposit(80n)
  now += 3_000
  expect(await admission.hasStake(worker.address, 80n)).toBe(true)
  expect(await stake.balanceOf(worker.address)).toBe(20n)

  await expect(stake.requestWithdraw(81n)).rejects.toMatchObject({
    code: 'TX_REVERTED',
    details: { error: 'StakeTooSmall' },
    next: expect.stringContaining('no more than'),
  })
  await stake.requestWithdraw(30n)
  expect(await stake.stakeOf(worker.address)).toBe(50n)
  now += 60_000
  expect(await admission.hasStake(worker.address, 80n)).toBe(false)
  const { amount, withdrawableAt } = await stake.unbondingOf(worker.address)
  expect(amount).toBe(30n)
  await expect(stake.withdraw()).rejects.toMatchObject({ details: { error: 'StillUnbonding' } })

  const node = createTestClient({ chain: foundry, mode: 'anvil', transport: http(config.rpcUrl) })
  await node.setNextBlockTimestamp({ timestamp: BigInt(withdrawableAt) })
  await node.mine({ blocks: 1 })
  await stake.withdraw()
  expect(await stake.balanceOf(worker.address)).toBe(50n)
  await expect(stake.withdraw()).rejects.toMatchObject({ details: { error: 'NothingToWithdraw' } })
})

test('anyone may stake for a worker', async () => {
  await mintDevTokens(config, patron, patron.address, 7n, limits)
  const stake = connectStake(config, patron, limits)
  const before = await stake.stakeOf(worker.address)
  await stake.deposit(7n, worker.address)
  expect(await stake.stakeOf(worker.address)).toBe(before + 7n)
  expect(await stake.stakeOf(patron.address)).toBe(0n)
})

test('without an account, a stake contract or a contract at its address', async () => {
  await expect(connectStake(config, undefined, limits).withdraw()).rejects.toMatchObject({
    code: 'NO_ACCOUNT',
  })
  const { stake: _, ...without } = config
  expect(() => connectStake(without, worker)).toThrow(expect.objectContaining({ code: 'STAKE_UNKNOWN' }))
  await expect(
    connectStake({ ...config, stake: patron.address }, worker, limits).stakeOf(worker.address),
  ).rejects.toMatchObject({ code: 'ESCROW_MISSING' })
})
