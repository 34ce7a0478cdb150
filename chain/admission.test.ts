import { expect, test } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'
import { StakeAdmission } from './admission.ts'

const account = (n: number): Address => `0x${n.toString(16).padStart(40, '0')}`

class Scene {
  now = 1_000_000
  reads = 0
  readonly staked = new Map<Address, Wei>()
  unreachable = false
  readonly admission = new StakeAdmission(
    {
      stakeOf: async (asked) => {
        this.reads += 1
        if (this.unreachable) throw new MurmurError('RPC_UNREACHABLE', { message: 'no answer', next: 'wait' })
        return this.staked.get(asked) ?? 0n
      },
    },
    { now: () => this.now },
  )
}

test('whoever has staked enough is admitted, to the base unit', async () => {
  const { admission, staked } = new Scene()
  staked.set(account(1), 100n)
  expect(await admission.hasStake(account(1), 100n)).toBe(true)
  expect(await admission.hasStake(account(1), 101n)).toBe(false)
  expect(await admission.hasStake(account(2), 1n)).toBe(false)
})

test('a stake is believed for a minute, the lack of one for three seconds', async () => {
  const scene = new Scene()
  scene.staked.set(account(1), 100n)
  await scene.admission.hasStake(account(1), 100n)
  await scene.admission.hasStake(account(2), 100n)
  scene.staked.set(account(1), 0n)
  scene.staked.set(account(2), 100n)
  scene.now += 2_999
  expect(await scene.admission.hasStake(account(2), 100n)).toBe(false)
  scene.now += 1
  expect(await scene.admission.hasStake(account(2), 100n)).toBe(true)
  scene.now += 56_999
  expect(await scene.admission.hasStake(account(1), 100n)).toBe(true)
  scene.now += 1
  expect(await scene.admission.hasStake(account(1), 100n)).toBe(false)
})

test('a flood of accounts reads the chain at a bounded rate', async () => {
  const scene = new Scene()
  scene.staked.set(account(1), 100n)
  await scene.admission.hasStake(account(1), 100n)
  const flood = () =>
    Promise.allSettled(
      Array.from({ length: 1_000 }, (_, n) => scene.admission.hasStake(account(1_000 + n), 1n)),
    )
  const busy = (await flood()).filter((result) => result.status === 'rejected')
  expect(busy[0]!.reason).toMatchObject({ code: 'STAKE_BUSY', exit: 'timeout' })
  expect(scene.reads).toBe(20)
  // Who is known already is not affected.
  expect(await scene.admission.hasStake(account(1), 100n)).toBe(true)
  for (let second = 0; second < 10; second += 1) {
    scene.now += 1_000
    await flood()
  }
  expect(scene.reads).toBe(20 + 10 * 5)
  scene.now += 3_600_000
  await flood()
  expect(scene.reads).toBe(20 + 10 * 5 + 20)
})

test('askers for one account, however they spell it, share one read', async () => {
  const scene = new Scene()
  const spelled = '0xabcdef0000000000000000000000000000000001'
  scene.staked.set(spelled, 5n)
  const upper = `0x${spelled.slice(2).toUpperCase()}` as Address
  const answers = await Promise.all([
    scene.admission.hasStake(spelled, 5n),
    scene.admission.hasStake(upper, 5n),
  ])
  expect([answers, scene.reads]).toEqual([[true, true], 1])
})

test('a chain that does not answer is not taken for a missing stake', async () => {
  const scene = new Scene()
  scene.staked.set(account(1), 100n)
  scene.unreachable = true
  await expect(scene.admission.hasStake(account(1), 1n)).rejects.toMatchObject({ code: 'RPC_UNREACHABLE' })
  scene.unreachable = false
  expect(await scene.admission.hasStake(account(1), 1n)).toBe(true)
})
