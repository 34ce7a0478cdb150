import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { deployDevnet, mintDevTokens } from '../chain/deploy.ts'
import { type Devnet, devAccount, startDevnet } from '../chain/devnet.ts'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import { dumpPayouts, payoutTree } from '../chain/payout-tree.ts'
import { contentId } from '../protocol/content-id.ts'
import { hashOf } from '../protocol/fixtures/names.ts'
import type { CidText, RunId, Wei } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { claimEarnings } from '../worker/claim-earnings.ts'
import { readEarnings } from './earnings-command.ts'
import { writeReady } from './home.ts'
import { addWorkerMoney } from './worker-money.ts'

/* A real chain; the head of this host is only its ready file. */
const limits = { pollMs: 25 }
let home: string
let devnet: Devnet
let chain: ChainConfig
let printed = ''
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-worker-money-'))
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  chain = await deployDevnet(devnet, devAccount(0), limits, 0)
  await writeReady(home, {
    pid: process.pid,
    apiUrl: 'http://127.0.0.1:1',
    addresses: [],
    chain,
    devnet: true,
  })
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
}, 30_000)
beforeEach(() => {
  printed = ''
})
afterAll(async () => {
  vi.restoreAllMocks()
  await devnet.stop()
  await rm(home, { recursive: true })
})

async function worker(...args: string[]): Promise<string> {
  const program = new Command('worker').exitOverride()
  addWorkerMoney(program)
  const [verb, ...rest] = args
  await program.parseAsync([verb!, '--home', home, ...rest], { from: 'user' })
  return printed
}

test('stake, look, ask back, withdraw', async () => {
  const { address } = devAccount(3)
  const as = ['--account', '3']
  expect(await worker('stake', '2.5', '--mint', ...as)).toBe(`staked 2.5: ${address} has 2.5 at stake\n`)
  printed = ''
  expect(await worker('stake', '--for', address)).toBe(`${address} has 2.5 at stake\n`)
  printed = ''
  await worker('unstake', '1', '--json', ...as)
  expect(JSON.parse(printed)).toMatchObject({
    account: address,
    staked: '1500000000000000000',
    unbonding: '1000000000000000000',
    withdrawableAt: expect.any(Number),
  })
  printed = ''
  expect(await worker('unstake', ...as)).toBe(`withdrew 1 (1000000000000000000 wei) to ${address}\n`)
  await expect(worker('unstake', '9', ...as)).rejects.toMatchObject({ details: { error: 'StakeTooSmall' } })
})

test('a host without a head names the chain in a file, and its key', async () => {
  const file = path.join(home, 'chain.json')
  const key = path.join(home, 'key')
  await writeFile(file, JSON.stringify(chain))
  await writeFile(key, `0x${Buffer.from(devAccount(4).getHdKey().privateKey!).toString('hex')}\n`)
  const elsewhere = ['--chain', file]
  await mintDevTokens(chain, devAccount(4), devAccount(4).address, 10n ** 18n, limits)
  await worker('stake', '0.5', ...elsewhere, '--account-key', key, '--json')
  expect(JSON.parse(printed)).toMatchObject({ account: devAccount(4).address, staked: '500000000000000000' })
  await expect(worker('stake', '1', ...elsewhere, '--account', '4')).rejects.toMatchObject({
    code: 'ACCOUNT_MISSING',
  })
  await expect(worker('stake', '1', '--mint', ...elsewhere, '--account-key', key)).rejects.toMatchObject({
    code: 'NOT_A_DEVNET',
  })
  const { stake: _, ...without } = chain
  await writeFile(file, JSON.stringify(without))
  await expect(worker('stake', '1', ...elsewhere, '--account-key', key)).rejects.toMatchObject({
    code: 'STAKE_UNKNOWN',
    exit: 'usage',
  })
})

test.each([
  ['stake', '0'],
  ['unstake', '-1'],
  ['stake', 'all'],
  ['unstake', '1e9'],
])('not an amount: %s %s', async (verb, amount) => {
  await expect(worker(verb, '--account', '3', '--', amount)).rejects.toMatchObject({
    code: 'AMOUNT_INVALID',
    exit: 'usage',
  })
})

test('an address that is none', async () => {
  await expect(worker('earnings', '--for', '0x12')).rejects.toMatchObject({ code: 'ADDRESS_INVALID' })
  await expect(worker('stake', '--for', 'me')).rejects.toMatchObject({ code: 'ADDRESS_INVALID' })
})

test('earnings: what was claimed, and what waits, is final, or is unknown', async () => {
  const head = connectEscrow(chain, devAccount(0), limits)
  const me = devAccount(6).address
  const blocks = new Map<CidText, Uint8Array>()
  const windows = [0, 3_600]
  const reports: RunReport[] = []
  await mintDevTokens(chain, devAccount(0), devAccount(0).address, 100n, limits)
  for (const [index, disputeWindowSeconds] of windows.entries()) {
    const terms = { epochReward: 50n, epochs: 2, disputeWindowSeconds, deadline: 4_000_000_000 }
    const { escrowRun } = await head.createRun({ ...terms, specDigest: hashOf(`run ${index}`) })
    await head.fund(escrowRun, 50n)
    await head.closeEpoch(escrowRun, 0, hashOf('history'), 0)
    const context = { chainId: chain.chainId, escrow: chain.escrow, escrowRun }
    const tree = payoutTree(context, new Map([[me, 40n]]))
    const settlement = {
      epoch: 0,
      payoutRoot: tree.root,
      cumulativeTotal: 40n,
      checkpoint: hashOf('c'),
      term: 0,
    }
    await head.settleEpoch(escrowRun, settlement)
    const dump = dumpPayouts(tree)
    const cid = contentId(dump, 'dag-cbor')
    blocks.set(cid, dump)
    reports.push({
      name: `run-${index}`,
      escrow: { contract: chain.escrow, run: escrowRun },
      epochs: [
        { payoutTree: cid, payoutRoot: tree.root },
        { payoutTree: null, payoutRoot: null },
      ],
    } as unknown as RunReport)
    const claimAtLeast = (minWei: Wei) =>
      claimEarnings({ ...chain, run: escrowRun }, cid, me, devAccount(0), async () => dump, minWei)
    // The second run's window is open.
    expect(await claimAtLeast(41n)).toBeNull()
    expect(await claimAtLeast(40n)).toEqual(index === 0 ? { amount: 40n, gasUsed: expect.any(BigInt) } : null)
  }
  // Of another chain's escrow: not looked at.
  reports.push({ ...reports[0]!, escrow: { ...reports[0]!.escrow!, contract: me } })
  const api = {
    status: async () =>
      ({ runs: reports.map((_, index) => ({ run: String(index) })) }) as unknown as ClusterReport,
    report: async (run: RunId) => reports[Number(run)]!,
    getBlock: async (cid: CidText) => blocks.get(cid)!,
  }
  const [first, second] = reports.map((report) => report.escrow!.run)
  expect(await readEarnings(me, connectEscrow(chain), api)).toEqual([
    { escrowRun: first, name: 'run-0', claimed: 40n, unclaimed: 0n, claimable: 0n },
    { escrowRun: second, name: 'run-1', claimed: 0n, unclaimed: 40n, claimable: 0n },
  ])
  expect(await readEarnings(me, connectEscrow(chain), null)).toEqual([
    { escrowRun: first, name: null, claimed: 40n, unclaimed: null, claimable: null },
  ])
  const file = path.join(home, 'elsewhere.json')
  await writeFile(file, JSON.stringify({ ...chain, chainId: chain.chainId, deployedBlock: 1 }))
  await rm(path.join(home, 'head'), { recursive: true })
  await worker('earnings', '--for', me, '--chain', file)
  expect(printed).toBe(`${me} has claimed 0\n  ${first}  claimed 0, ask its head what is not claimed yet\n`)
  printed = ''
  await worker('earnings', '--for', devAccount(7).address, '--chain', file, '--json')
  expect(JSON.parse(printed)).toEqual({ account: devAccount(7).address, claimed: '0', runs: [] })
})
