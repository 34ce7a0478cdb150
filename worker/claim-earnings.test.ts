import { expect, test } from 'vitest'
import type { Escrow } from '../chain/escrow-port.ts'
import { dumpPayouts, type PayoutTree, payoutTree } from '../chain/payout-tree.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { hashOf } from '../protocol/fixtures/names.ts'
import type { Address, CidText, Hash, Wei } from '../protocol/ids.ts'
import { EarningsClaimer } from './claim-earnings.ts'

const me: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const other: Address = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const context = { chainId: 31337, escrow: other, escrowRun: hashOf('run') }

/** A worker beside an escrow that pays by the rules of `RunEscrow.claim`, and counts what it is asked. */
class Scene {
  now = 0
  finalRoot: Hash = `0x${'0'.repeat(64)}`
  claimedSoFar = 0n
  asked = 0
  sent = 0
  fetched: CidText[] = []
  unreachable = false
  readonly blocks = new Map<CidText, Uint8Array>()
  readonly #trees = new Map<Hash, PayoutTree>()

  readonly escrow: Pick<Escrow, 'finalized' | 'claimed' | 'claim'> = {
    finalized: async () => {
      this.asked += 1
      if (this.unreachable) throw new MurmurError('RPC_UNREACHABLE', { message: 'no answer', next: 'wait' })
      return { epochs: 1, payoutRoot: this.finalRoot, cumulativeTotal: 0n }
    },
    claimed: async () => this.claimedSoFar,
    claim: async (_, account, cumulative, proof) => {
      const tree = this.#trees.get(this.finalRoot)!
      expect(tree.proof(account)).toEqual(proof)
      expect(tree.entries.get(me)).toBe(cumulative)
      expect(cumulative).toBeGreaterThan(this.claimedSoFar)
      this.claimedSoFar = cumulative
      this.sent += 1
      return { txHash: hashOf('claim'), gasUsed: 100n, blockNumber: 1n }
    },
  }
  readonly claimer = new EarningsClaimer(
    { escrow: this.escrow, escrowRun: context.escrowRun, account: me.toLowerCase() as Address },
    {
      clock: { now: () => this.now },
      fetch: async (cid) => {
        this.fetched.push(cid)
        const bytes = this.blocks.get(cid)
        if (bytes === undefined) throw new MurmurError('BLOCK_MISSING', { message: 'no block', next: 'wait' })
        return bytes
      },
    },
  )

  /** An epoch is settled: the head tells of its tree. Returns what makes it final. */
  settle(mine: Wei, served = true): () => void {
    const entries: [Address, Wei][] = [
      [other, 5n + mine],
      ...(mine > 0n ? [[me, mine] as [Address, Wei]] : []),
    ]
    const tree = payoutTree(context, new Map(entries))
    this.#trees.set(tree.root, tree)
    const dump = dumpPayouts(tree)
    const cid = contentId(dump, 'dag-cbor')
    if (served) this.blocks.set(cid, dump)
    this.claimer.offer(cid)
    return () => {
      this.finalRoot = tree.root
    }
  }
}

test('each epoch is claimed once it is final, though newer ones are settled already', async () => {
  const scene = new Scene()
  const first = scene.settle(10n)
  const second = scene.settle(30n)
  expect(await scene.claimer.claim(0n)).toBeNull()
  first()
  scene.now = 1_000
  expect(await scene.claimer.claim(0n)).toEqual({ amount: 10n, gasUsed: 100n })
  expect(await scene.claimer.claim(0n)).toBeNull()
  second()
  scene.now = 2_000
  expect(await scene.claimer.claim(0n)).toEqual({ amount: 20n, gasUsed: 100n })
  expect(scene.sent).toBe(2)
})

test('while nothing new is settled neither the chain nor a peer is asked', async () => {
  const scene = new Scene()
  scene.settle(10n)()
  await scene.claimer.claim(0n)
  const { asked, fetched } = scene
  for (scene.now = 0; scene.now < 1e6; scene.now += 2_000) expect(await scene.claimer.claim(0n)).toBeNull()
  expect([scene.asked, scene.fetched.length]).toEqual([asked, fetched.length])
  // The same tree, told with every heartbeat.
  scene.claimer.offer(fetched[0]!)
  expect(await scene.claimer.claim(0n)).toBeNull()
  expect([scene.asked, scene.fetched.length]).toEqual([asked, fetched.length])
})

test('a long dispute window is looked at ever more seldom, and a new tree at once', async () => {
  const scene = new Scene()
  scene.settle(10n)
  for (scene.now = 0; scene.now < 3_600_000; scene.now += 2_000) await scene.claimer.claim(0n)
  expect(scene.asked).toBeLessThan(70)
  const before = scene.asked
  scene.settle(20n)
  await scene.claimer.claim(0n)
  expect(scene.asked).toBe(before + 1)
})

test('too little is left until it is enough, or until the end', async () => {
  const scene = new Scene()
  scene.settle(10n)()
  expect(await scene.claimer.claim(25n)).toBeNull()
  expect(scene.asked).toBe(0)
  scene.settle(30n)()
  expect(await scene.claimer.claim(25n)).toEqual({ amount: 30n, gasUsed: 100n })
  scene.settle(31n)()
  expect(await scene.claimer.claim(25n)).toBeNull()
  expect(await scene.claimer.claim(0n)).toEqual({ amount: 1n, gasUsed: 100n })
})

test('what someone else claimed for the account is not claimed again', async () => {
  const scene = new Scene()
  scene.settle(10n)()
  scene.claimedSoFar = 10n
  expect(await scene.claimer.claim(0n)).toBeNull()
  expect(scene.sent).toBe(0)
})

test('two calls at once send one transaction', async () => {
  const scene = new Scene()
  scene.settle(10n)()
  const both = await Promise.all([scene.claimer.claim(0n), scene.claimer.claim(0n)])
  expect(both).toEqual([
    { amount: 10n, gasUsed: 100n },
    { amount: 10n, gasUsed: 100n },
  ])
  expect(scene.sent).toBe(1)
})

test('a chain that does not answer costs one try after another, never the pay', async () => {
  const scene = new Scene()
  scene.settle(10n)()
  scene.unreachable = true
  await expect(scene.claimer.claim(0n)).rejects.toMatchObject({ code: 'RPC_UNREACHABLE' })
  expect(await scene.claimer.claim(0n)).toBeNull()
  expect(scene.asked).toBe(1)
  scene.unreachable = false
  scene.now = 1_000
  expect(await scene.claimer.claim(0n)).toMatchObject({ amount: 10n })
})

test('a tree that nobody serves is asked for again, and does not hold up the others', async () => {
  const scene = new Scene()
  scene.settle(10n, false)
  scene.settle(20n)()
  expect(await scene.claimer.claim(0n)).toMatchObject({ amount: 20n })
  await expect(scene.claimer.claim(0n)).rejects.toMatchObject({ code: 'BLOCK_MISSING' })
  expect(await scene.claimer.claim(0n)).toBeNull()
  scene.now = 1_000
  await expect(scene.claimer.claim(0n)).rejects.toMatchObject({ code: 'BLOCK_MISSING' })
})

test('bytes that are no payout tree are told once and forgotten', async () => {
  const scene = new Scene()
  const junk = new Uint8Array([1, 2, 3])
  const cid = contentId(junk, 'dag-cbor')
  scene.blocks.set(cid, junk)
  scene.claimer.offer(cid)
  await expect(scene.claimer.claim(0n)).rejects.toMatchObject({ code: 'PAYOUTS_INVALID' })
  expect(await scene.claimer.claim(0n)).toBeNull()
  expect(scene.fetched).toHaveLength(1)
})

test('a flood of trees is held to what may still be paid', async () => {
  const scene = new Scene()
  for (let mine = 1n; mine < 100n; mine += 1n) scene.settle(mine)
  scene.settle(100n)()
  expect(await scene.claimer.claim(0n)).toMatchObject({ amount: 100n })
  expect(scene.fetched).toHaveLength(8)
})

test('a tree without the account owes it nothing', async () => {
  const scene = new Scene()
  scene.settle(0n)()
  expect(await scene.claimer.claim(0n)).toBeNull()
  expect([scene.asked, scene.fetched.length]).toEqual([0, 1])
})
