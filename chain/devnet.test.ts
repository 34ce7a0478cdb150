import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { deployDevnet, mintDevTokens } from './deploy.ts'
import { devAccount, startDevnet } from './devnet.ts'
import { connectEscrow } from './escrow.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-devnet-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const limits = { pollMs: 50 }

test('a devnet keeps its chain across a restart, and deploying again finds what is there', {
  timeout: 30_000,
}, async () => {
  const stateFile = path.join(folder, 'state.json')
  const owner = devAccount(0)
  const first = await startDevnet({ stateFile, blockTimeSeconds: 0.25 })
  const config = await deployDevnet(first, owner, limits)
  await mintDevTokens(config, owner, devAccount(1).address, 123n, limits)
  const before = connectEscrow(config, owner, limits)
  const run = await before.createRun({
    specDigest: `0x${'11'.repeat(32)}`,
    epochReward: 1n,
    epochs: 1,
    disputeWindowSeconds: 0,
    deadline: 4_000_000_000,
  })
  await mintDevTokens(config, owner, owner.address, 5n, limits)
  await before.fund(run.escrowRun, 5n)
  await before.closeEpoch(run.escrowRun, 0, `0x${'22'.repeat(32)}`, 0)
  const beacon = await before.beacon(run.escrowRun, 0, AbortSignal.timeout(5_000))
  await first.stop()

  await using second = await startDevnet({ stateFile, blockTimeSeconds: 0.25 })
  const again = await deployDevnet(second, owner, limits)
  expect(again).toMatchObject({ escrow: config.escrow, token: config.token, stake: config.stake })
  const escrow = connectEscrow(again, undefined, limits)
  expect(await escrow.balanceOf(devAccount(1).address)).toBe(123n)
  expect((await escrow.run(run.escrowRun)).coordinator).toBe(owner.address)
  expect(await escrow.funders(run.escrowRun)).toEqual([{ funder: owner.address, amount: 5n, refunded: 0n }])
  expect(await escrow.beacon(run.escrowRun, 0, AbortSignal.timeout(5_000))).toEqual(beacon)
})

test('a taken port, a missing anvil and an abort say so', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await expect(startDevnet({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE', details: { port } })
  server.close()

  vi.stubEnv('MURMUR_ANVIL', path.join(folder, 'no-such-anvil'))
  await expect(startDevnet()).rejects.toMatchObject({ code: 'ANVIL_MISSING' })
  vi.stubEnv('MURMUR_ANVIL', process.execPath)
  await expect(startDevnet()).rejects.toMatchObject({ code: 'DEVNET_FAILED' })
  vi.unstubAllEnvs()

  const controller = new AbortController()
  const starting = startDevnet({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(starting).rejects.toThrow('enough')
})

test('stop ends the process', async () => {
  const devnet = await startDevnet()
  await devnet.stop()
  await devnet.stop()
  await expect(fetch(devnet.rpcUrl)).rejects.toThrow()
})
