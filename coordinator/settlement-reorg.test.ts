import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, createPublicClient, createTestClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { deployDevnet, mintDevTokens } from '../chain/deploy.ts'
import { type Devnet, devAccount, startDevnet } from '../chain/devnet.ts'
import { connectEscrow } from '../chain/escrow.ts'
import type { ChainConfig, Escrow } from '../chain/escrow-port.ts'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { Hash, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { drawAudits } from '../verification/draw.ts'
import { RunLog } from './run-log.ts'
import { Settlement } from './settlement.ts'

/* Settling on a real chain that forgets its newest blocks, their transactions with them. */
const limits = { pollMs: 10 }
const coordinator = devAccount(0)
const workers = Array.from({ length: 8 }, (_, index) => peer(index + 1))
const tokens = 64
const depth = 4n
const { signal } = new AbortController()

let devnet: Devnet
let config: ChainConfig
let chain: ReturnType<typeof forkingChain>
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  config = await deployDevnet(devnet, coordinator, limits)
  await mintDevTokens(config, coordinator, coordinator.address, 100_000n, limits)
  chain = forkingChain(devnet.rpcUrl)
  await chain.start()
}, 30_000)
afterAll(async () => {
  await chain?.stop()
  await devnet?.stop()
})

/** Blocks come by themselves, but not while the chain is being reorganized. */
function forkingChain(rpcUrl: string) {
  const node = createTestClient({ chain: foundry, mode: 'anvil', transport: http(rpcUrl) })
  const client = createPublicClient({ chain: foundry, transport: http(rpcUrl), cacheTime: 0 })
  let turn: Promise<unknown> = Promise.resolve()
  let running = true
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work)
    turn = done.catch(() => {})
    return done
  }
  let mining: Promise<void> = Promise.resolve()
  return {
    async start() {
      await node.setIntervalMining({ interval: 0 })
      mining = (async () => {
        while (running) {
          await inTurn(() => node.mine({ blocks: 1 }))
          await sleep(20)
        }
      })()
    },
    async stop() {
      running = false
      await mining
    },
    newest: () => client.getBlockNumber(),
    hashOf: async (blockNumber: bigint) => (await client.getBlock({ blockNumber })).hash,
    /** Every block from this one on is another, and empty. */
    forgetFrom: (first: bigint) =>
      inTurn(async () => {
        const depth = Number((await client.getBlockNumber()) - first) + 1
        await node.request({ method: 'anvil_reorg', params: [depth, []] } as never)
      }),
    /** So many of the newest blocks are others. */
    forget: (depth: number) =>
      inTurn(() => node.request({ method: 'anvil_reorg', params: [depth, []] } as never)),
  }
}

/** One round that closes its epoch, with work of everybody. */
function epochOf(epoch: number): RoundManifest[] {
  const links = { run: aRun, term: 1, round: epoch, epoch, parent: null, average: null, refused: [] }
  const work = { tokens, trace: [], lossNats: 1, contributionBytes: 9 }
  const entries = workers.map((worker) => ({ ...work, worker, contribution: cidOf(`${worker}${epoch}`) }))
  const slots = workers.map((worker) => ({ worker, steps: 1 }))
  const roots = { baseRoot: hashOf('b'), stateRoot: hashOf('s') }
  return [{ ...links, ...roots, entries, slots, closesEpoch: true, checkpoint: cidOf(`checkpoint ${epoch}`) }]
}

let runs = 0
class Scene {
  readonly escrow: Escrow
  readonly log = new RunLog(aRun)
  /** The beacons that its records of what will be paid name. */
  readonly meantBy: (Hash | undefined)[] = []
  readonly notes: string[] = []
  readonly ejected = new Set<WorkerId>()
  term = 0
  escrowRun: Hash = hashOf('run in escrow')
  /** Happens once, where it is set. */
  atClose: (() => Promise<unknown>) | null = null
  atAudit: (() => Promise<unknown>) | null = null
  atSettle: (() => Promise<unknown>) | null = null
  #settlement: Settlement | null = null

  static async open(confirmations = 0): Promise<Scene> {
    const scene = new Scene(confirmations)
    await scene.#open()
    return scene
  }

  private constructor(confirmations: number) {
    this.escrow = connectEscrow({ ...config, confirmations }, coordinator, limits)
  }

  async #open(): Promise<void> {
    const terms = { epochReward: 800n, epochs: 2, disputeWindowSeconds: 0, deadline: 4_000_000_000 }
    const specDigest = bytesToHex(new Uint8Array(32).fill(++runs))
    this.escrowRun = (await this.escrow.createRun({ ...terms, specDigest })).escrowRun
    await this.escrow.fund(this.escrowRun, 1_600n)
    // What comes before the close is of no interest here, and stays.
    const opened = await chain.newest()
    while ((await chain.newest()) < opened + 3n) await sleep(10)
    const then = async <T>(call: Promise<T>, what: 'atClose' | 'atSettle'): Promise<T> => {
      const result = await call
      await this.#once(what)
      return result
    }
    const escrow: Escrow = {
      ...this.escrow,
      closeEpoch: (...args) => then(this.escrow.closeEpoch(...args), 'atClose'),
      settleEpoch: (...args) => then(this.escrow.settleEpoch(...args), 'atSettle'),
    }
    const blocks: Pick<BlockStore, 'put'> = { put: async () => {} }
    const context = { chainId: config.chainId, escrow: config.escrow, escrowRun: this.escrowRun }
    this.#settlement = new Settlement({
      run: aRun,
      blocks: blocks as BlockStore,
      money: { escrow, context, epochReward: 800n, term: () => this.term },
      auditsPerEpoch: 2,
      tokensPerStep: tokens,
      roundsPerEpoch: 1,
      log: this.log,
      record: async (entry) => void (entry.kind === 'settling' && this.meantBy.push(entry.beacon)),
      payoutOf: (worker) => devAccount(workers.indexOf(worker) + 1).address,
      audit: async ({ worker, round }) => {
        await this.#once('atAudit')
        const verdict = cidOf(`${worker}${round}`)
        return { worker, round, outcome: 'verified', code: 'OK', bytes: 0, verdict }
      },
      eject: () => {},
      isEjected: (worker) => this.ejected.has(worker),
      note: (code) => void this.notes.push(code),
    })
  }

  async #once(what: 'atClose' | 'atAudit' | 'atSettle'): Promise<void> {
    const act = this[what]
    this[what] = null
    await act?.()
  }

  async closedAt(epoch: number): Promise<bigint> {
    const { blockNumber } = await this.escrow.beacon(this.escrowRun, epoch, signal)
    return blockNumber - 1n
  }

  async settle(epoch: number) {
    const settled = await this.#settlement!.settle(epoch, cidOf(`last ${epoch}`), epochOf(epoch), signal)
    this.log.cumulative = settled.cumulative
    return settled.report
  }

  /** That the chain, as it is now, names the sample that was audited, and holds what was paid for it. */
  async rests(report: Awaited<ReturnType<Scene['settle']>>): Promise<void> {
    const { epoch, beacon, audits, payoutRoot } = report
    const canonical = await this.escrow.beacon(this.escrowRun, epoch, signal)
    expect([beacon?.blockHash, this.meantBy.at(-1)]).toEqual([canonical.blockHash, canonical.blockHash])
    expect(await chain.hashOf(canonical.blockNumber)).toBe(canonical.blockHash)
    const candidates = workers.map((worker) => ({ worker, round: epoch }))
    expect(audits.map(({ worker, round }) => ({ worker, round }))).toEqual(
      drawAudits(canonical.blockHash, candidates, 2),
    )
    expect(await this.escrow.settlement(this.escrowRun, epoch)).toMatchObject({ payoutRoot })
  }
}

test('the beacon is replaced while audits run: another sample is drawn', async () => {
  const scene = await Scene.open()
  scene.atAudit = async () => chain.forgetFrom((await scene.closedAt(0)) + 1n)
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'CHAIN_REORGANIZED' })
  await scene.rests(await scene.settle(0))
})

test('the close is forgotten while audits run', async () => {
  const scene = await Scene.open()
  scene.atAudit = async () => chain.forgetFrom(await scene.closedAt(0))
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'EPOCH_NOT_CLOSED' })
  await scene.rests(await scene.settle(0))
})

test('the settlement is forgotten, and the next epoch waits for it', async () => {
  const scene = await Scene.open()
  scene.atSettle = async () =>
    chain.forgetFrom((await scene.escrow.settlement(scene.escrowRun, 0))!.blockNumber)
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'CHAIN_REORGANIZED' })
  await scene.rests(await scene.settle(0))
  await scene.rests(await scene.settle(1))
})

test('what was going to be paid stays so when a worker leaves the run between two tries', async () => {
  const scene = await Scene.open()
  scene.atSettle = async () => {
    for (const worker of workers) scene.ejected.add(worker)
    throw new Error('the receipt never came')
  }
  await expect(scene.settle(0)).rejects.toThrow('the receipt never came')
  const { paid } = await scene.settle(0)
  expect([paid, scene.meantBy.length, scene.notes]).toEqual(['800', 1, []])
})

test('the settlement comes into a later block, and is not taken for confirmed by the first', async () => {
  const scene = await Scene.open()
  scene.atSettle = async () => {
    const first = (await scene.escrow.settlement(scene.escrowRun, 0))!
    await chain.forgetFrom(first.blockNumber)
    const { epoch, payoutRoot, cumulativeTotal, checkpoint } = first
    await scene.escrow.settleEpoch(scene.escrowRun, {
      epoch,
      payoutRoot,
      cumulativeTotal,
      checkpoint,
      term: 0,
    })
  }
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'CHAIN_REORGANIZED' })
  await scene.rests(await scene.settle(0))
  expect(scene.notes).toEqual([])
})

test('the lease is forgotten with the close, and taken again', async () => {
  const scene = await Scene.open()
  const leased = await chain.newest()
  scene.term = 8
  await scene.escrow.takeLease(scene.escrowRun, 8)
  scene.atAudit = async () => chain.forgetFrom(leased + 1n)
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'EPOCH_NOT_CLOSED' })
  await scene.rests(await scene.settle(0))
  expect(await scene.escrow.lease(scene.escrowRun)).toMatchObject({ term: 8 })
})

test('who leads in a higher term is not overruled', async () => {
  const scene = await Scene.open()
  scene.term = 8
  await scene.escrow.takeLease(scene.escrowRun, 16)
  await expect(scene.settle(0)).rejects.toMatchObject({ code: 'LEASE_LOST' })
  expect(await scene.escrow.lease(scene.escrowRun)).toMatchObject({ term: 16 })
})

test('once the beacon is confirmed, no reorganization of that depth draws another sample', async () => {
  const scene = await Scene.open(Number(depth))
  scene.atAudit = async () => {
    const { blockNumber } = await connectEscrow(config, undefined, limits).beacon(scene.escrowRun, 0, signal)
    expect(await chain.newest()).toBeGreaterThanOrEqual(blockNumber + depth)
    await chain.forget(Number(depth))
  }
  const report = await scene.settle(0)
  await scene.rests(report)
  const { blockNumber } = (await scene.escrow.settlement(scene.escrowRun, 0))!
  expect(await chain.newest()).toBeGreaterThanOrEqual(blockNumber + depth)
  await chain.forget(Number(depth))
  await scene.rests(report)
})

test('a close that comes into another block before it is confirmed has another beacon', async () => {
  const scene = await Scene.open()
  const patient = connectEscrow({ ...config, confirmations: 40 }, coordinator, limits)
  const first = await patient.closeEpoch(scene.escrowRun, 0, hashOf('history'), 0)
  const waits = Promise.withResolvers<void>()
  const { fetch } = globalThis
  vi.stubGlobal('fetch', (url: string, request: RequestInit) => {
    // Only after it has read where the close is.
    if (String(request.body).includes('eth_blockNumber')) waits.resolve()
    return fetch(url, request)
  })
  const drawn = patient.beacon(scene.escrowRun, 0, signal)
  await waits.promise
  vi.unstubAllGlobals()
  await chain.forgetFrom(first.blockNumber)
  const second = await patient.closeEpoch(scene.escrowRun, 0, hashOf('history'), 0)
  expect(second.blockNumber).toBeGreaterThan(first.blockNumber)
  const beacon = await drawn
  expect(beacon).toEqual({
    blockNumber: second.blockNumber + 1n,
    blockHash: await chain.hashOf(second.blockNumber + 1n),
  })
  expect(await chain.newest()).toBeGreaterThanOrEqual(beacon.blockNumber + 40n)
})
