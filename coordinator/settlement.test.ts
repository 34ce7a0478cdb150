import { describe, expect, test } from 'vitest'
import type { Beacon, Escrow, Settlement as Sent } from '../chain/escrow-port.ts'
import { loadPayouts } from '../chain/payout-tree.ts'
import { digestOf } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { Address, CidText, Hash, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { AuditReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { drawAudits } from '../verification/draw.ts'
import { RunLog } from './run-log.ts'
import { Settlement, verifiedTokens } from './settlement.ts'

const [a, b, c] = [peer(1), peer(2), peer(3)]
const tokens = 64
const epochReward = 600n
const context = {
  chainId: 31337,
  escrow: `0x${'11'.repeat(20)}` as Address,
  escrowRun: hashOf('run in escrow'),
}
const signal = new AbortController().signal
const accountOf = new Map<WorkerId, Address>([
  [a, '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'],
  [b, '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'],
  [c, '0x90F79bf6EB2c4f870365E785982E1f101E93b906'],
])

/** Two rounds of an epoch in which all of `admitted` are admitted. */
function epochOf(epoch: number, admitted: readonly WorkerId[], members = admitted): RoundManifest[] {
  return [2 * epoch, 2 * epoch + 1].map((round) => ({
    ...{
      run: aRun,
      term: 1,
      round,
      epoch,
      parent: null,
      baseRoot: hashOf('b'),
      stateRoot: hashOf('s'),
      refused: [],
    },
    entries: admitted.map((worker) => ({
      ...{
        worker,
        contribution: cidOf(`${worker}${round}`),
        contributionBytes: 9,
        tokens,
        trace: [],
        lossNats: 1,
      },
    })),
    closesEpoch: round % 2 === 1,
    checkpoint: round % 2 === 1 ? cidOf(`checkpoint ${epoch}`) : null,
    average: null,
    slots: members.map((worker) => ({ worker, steps: 1 })),
  }))
}

/** An escrow that only remembers. `unreachable` names calls that fail once, before or after they took effect. */
class FakeEscrow {
  readonly calls: string[] = []
  readonly settled: Sent[] = []
  readonly terms: number[] = []
  readonly history = new Map<number, Hash>()
  unreachable: { readonly call: string; readonly takesEffect: boolean } | null = null

  readonly port: Pick<
    Escrow,
    'closeEpoch' | 'settleEpoch' | 'beacon' | 'historyRoot' | 'settlement' | 'confirm'
  > = {
    closeEpoch: async (_, epoch, root, term) =>
      this.#call(`close ${epoch}`, () => {
        this.terms.push(term)
        if (this.history.has(epoch)) throw new Error('reverted: the epoch is closed')
        this.history.set(epoch, root)
      }),
    settleEpoch: async (_, settlement) =>
      this.#call(`settle ${settlement.epoch}`, () => this.settled.push(settlement)),
    historyRoot: async (_, epoch) => this.history.get(epoch),
    settlement: async (_, epoch) => {
      const settled = this.settled[epoch]
      const sent = { txHash: hashOf(`settle ${epoch}`), gasUsed: 100n, blockNumber: 8n }
      return settled && { ...settled, ...sent, finalizesAt: 0 }
    },
    confirm: async () => {},
    beacon: async (_, epoch): Promise<Beacon> => ({ blockNumber: 7n, blockHash: hashOf(`beacon ${epoch}`) }),
  }

  #call(call: string, effect: () => void) {
    const failing = this.unreachable?.call === call ? this.unreachable : null
    this.unreachable = failing === null ? this.unreachable : null
    if (failing?.takesEffect !== false) effect()
    if (failing !== null) throw new MurmurError('RPC_UNREACHABLE', { message: 'no answer', next: 'wait' })
    this.calls.push(call)
    return { txHash: hashOf(call), gasUsed: 100n, blockNumber: 8n }
  }
}

class Scene {
  readonly escrow = new FakeEscrow()
  readonly ejected = new Set<WorkerId>()
  readonly audited: string[] = []
  readonly refuted = new Set<WorkerId>()
  readonly absent = new Set<WorkerId>()
  readonly blocks = new Map<CidText, Uint8Array>()
  readonly accounts: Map<WorkerId, Address | null> = new Map(accountOf)
  readonly log = new RunLog(aRun)
  readonly records: string[] = []
  readonly settlement: Settlement

  readonly notes: string[] = []

  constructor({ paid = true, auditsPerEpoch = 1 } = {}) {
    const store: Pick<BlockStore, 'put'> = { put: async (cid, bytes) => void this.blocks.set(cid, bytes) }
    this.settlement = new Settlement({
      run: aRun,
      blocks: store as BlockStore,
      money: paid ? { escrow: this.escrow.port as Escrow, context, epochReward, term: () => 9 } : null,
      auditsPerEpoch,
      tokensPerStep: tokens,
      roundsPerEpoch: 2,
      log: this.log,
      record: async (entry) => void this.records.push(entry.kind),
      payoutOf: (worker) => this.accounts.get(worker) ?? null,
      audit: async ({ worker, round }): Promise<AuditReport> => {
        this.audited.push(`${worker} ${round}`)
        const outcome = this.refuted.has(worker)
          ? 'refuted'
          : this.absent.has(worker)
            ? 'unavailable'
            : 'verified'
        const code = { refuted: 'SEGMENT_MISMATCH', unavailable: 'STATE_UNAVAILABLE', verified: 'OK' }[
          outcome
        ]
        return { worker, round, outcome, code, bytes: 0, verdict: cidOf(`${worker}${round}`) }
      },
      eject: (worker) => this.ejected.add(worker),
      isEjected: (worker) => this.ejected.has(worker),
      note: (code) => void this.notes.push(code),
    })
  }

  async settle(epoch: number, manifests: readonly RoundManifest[]) {
    const settled = await this.settlement.settle(epoch, cidOf(`last ${epoch}`), manifests, signal)
    this.log.cumulative = settled.cumulative
    return settled
  }

  /** What the payout tree that was settled says, by account. */
  paidOut(): Record<string, bigint> {
    const root = this.escrow.settled.at(-1)!.payoutRoot
    const tree = [...this.blocks.values()]
      .map((bytes) => loadPayouts(bytes))
      .findLast((found) => found.root === root)!
    return Object.fromEntries(tree.entries)
  }
}

/** More audits than there are candidates: everything is audited. */
const all = 99

describe('a paid epoch', () => {
  test('is anchored, audited by the beacon, and paid by verified tokens', async () => {
    const scene = new Scene()
    const manifests = epochOf(0, [a, b, c])
    const { report, tokens: verified, earned } = await scene.settle(0, manifests)
    expect(scene.escrow.calls).toEqual(['close 0', 'settle 0'])
    expect(scene.escrow.history.get(0)).toBe(`0x${Buffer.from(digestOf(cidOf('last 0'))).toString('hex')}`)
    const candidates = manifests.flatMap(({ round, entries }) =>
      entries.map(({ worker }) => ({ worker, round })),
    )
    const drawn = drawAudits(hashOf('beacon 0'), candidates, 1)
    expect(scene.audited).toEqual(drawn.map(({ worker, round }) => `${worker} ${round}`))
    expect([...verified]).toEqual([a, b, c].map((worker) => [worker, 128]))
    expect([...earned]).toEqual([a, b, c].map((worker) => [worker, 200n]))
    expect(scene.paidOut()).toEqual(
      Object.fromEntries([a, b, c].map((worker) => [accountOf.get(worker), 200n])),
    )
    expect(scene.escrow.settled[0]).toMatchObject({
      cumulativeTotal: 600n,
      checkpoint: `0x${Buffer.from(digestOf(cidOf('checkpoint 0'))).toString('hex')}`,
    })
    expect(report).toMatchObject({
      settled: true,
      verified: true,
      paid: '600',
      txHash: hashOf('settle 0'),
      gasUsed: '100',
    })
    expect([...scene.escrow.terms, scene.escrow.settled[0]!.term]).toEqual([9, 9])
    expect(report.beacon).toEqual({ blockNumber: '7', blockHash: hashOf('beacon 0') })
  })

  test('pay adds up over the epochs', async () => {
    const scene = new Scene()
    await scene.settle(0, epochOf(0, [a, b, c]))
    await scene.settle(1, epochOf(1, [a], [a, b, c]))
    expect(scene.paidOut()).toEqual({
      [accountOf.get(a)!]: 400n,
      [accountOf.get(b)!]: 200n,
      [accountOf.get(c)!]: 200n,
    })
    expect(scene.escrow.settled[1]!.cumulativeTotal).toBe(800n)
  })

  test('work that was refuted is paid to nobody', async () => {
    const scene = new Scene({ auditsPerEpoch: all })
    scene.refuted.add(b)
    const { report, tokens: verified, earned } = await scene.settle(0, epochOf(0, [a, b, c]))
    expect(scene.ejected).toEqual(new Set([b]))
    expect([...verified.keys()]).toEqual([a, c])
    // The others get what they would have got, not a wei more.
    expect([...earned]).toEqual([
      [a, 200n],
      [c, 200n],
    ])
    expect(report.paid).toBe('400')
    // Once refuted, its other rounds need no audit.
    expect(scene.audited.filter((text) => text.startsWith(b))).toHaveLength(1)
  })

  test('who was ejected earlier is neither audited nor paid, and keeps what it had', async () => {
    const scene = new Scene({ auditsPerEpoch: all })
    await scene.settle(0, epochOf(0, [a, b]))
    scene.ejected.add(b)
    scene.audited.length = 0
    const { earned } = await scene.settle(1, epochOf(1, [a, b]))
    expect(scene.audited).toHaveLength(2)
    expect([...earned]).toEqual([[a, 300n]])
    expect(scene.paidOut()).toEqual({ [accountOf.get(a)!]: 600n, [accountOf.get(b)!]: 300n })
  })

  test('two workers of one account, however they spell it', async () => {
    const scene = new Scene()
    scene.accounts.set(b, accountOf.get(a)!.toLowerCase() as Address)
    const { earned } = await scene.settle(0, epochOf(0, [a, b, c]))
    expect(scene.paidOut()).toEqual({ [accountOf.get(a)!]: 400n, [accountOf.get(c)!]: 200n })
    expect([...earned.values()]).toEqual([200n, 200n, 200n])
  })

  test('a worker that cannot be asked is not paid for the epoch, and stays; the second time it is out', async () => {
    const scene = new Scene({ auditsPerEpoch: all })
    scene.absent.add(b)
    const first = await scene.settle(0, epochOf(0, [b]))
    expect([first.report.audits[0]?.outcome, first.tokens.has(b), scene.ejected.has(b)]).toEqual([
      'unavailable',
      false,
      false,
    ])
    await scene.settle(1, epochOf(1, [b]))
    expect(scene.ejected.has(b)).toBe(true)
  })

  test('a worker without an account works for free', async () => {
    const scene = new Scene()
    scene.accounts.set(b, null)
    const { report, tokens: verified, earned } = await scene.settle(0, epochOf(0, [a, b, c]))
    expect(verified.get(b)).toBe(128)
    expect(earned.has(b)).toBe(false)
    expect(report.paid).toBe('400')
  })

  test('an epoch of void rounds pays nothing and is settled all the same', async () => {
    const scene = new Scene()
    const { report } = await scene.settle(0, epochOf(0, [], [a, b, c]))
    expect(report).toMatchObject({ paid: '0', settled: true, audits: [] })
    expect(scene.escrow.settled[0]).toMatchObject({ cumulativeTotal: 0n, payoutRoot: `0x${'0'.repeat(64)}` })
  })
})

describe('a chain that goes away', () => {
  test.each([
    ['close 0', false],
    ['close 0', true],
    ['settle 0', false],
    ['settle 0', true],
  ])('at %s (took effect: %s): trying again does nothing twice', async (call, takesEffect) => {
    const scene = new Scene({ auditsPerEpoch: all })
    scene.refuted.add(b)
    scene.escrow.unreachable = { call, takesEffect }
    const manifests = epochOf(0, [a, b, c])
    await expect(scene.settle(0, manifests)).rejects.toThrow(
      expect.objectContaining({ code: 'RPC_UNREACHABLE' }),
    )
    const { report } = await scene.settle(0, manifests)
    expect(scene.escrow.settled).toHaveLength(1)
    expect(new Set(scene.audited).size).toBe(scene.audited.length)
    expect(report.audits.filter(({ outcome }) => outcome === 'refuted')).toHaveLength(1)
    // Also of a transaction whose receipt never came: the chain tells which it was.
    expect(report).toMatchObject({ settled: true, paid: '400', txHash: hashOf('settle 0'), gasUsed: '100' })
    expect(scene.paidOut()).toEqual({ [accountOf.get(a)!]: 200n, [accountOf.get(c)!]: 200n })
  })
})

test.each([
  ['the beacon that was audited by', hashOf('beacon 0'), [7n]],
  ['no beacon, in a record from before it was kept', undefined, [7n]],
  ['a beacon that the chain has forgotten', hashOf('forgotten'), [300n, 300n]],
] as const)('what was going to be paid rests on %s', async (_, beacon, pays) => {
  const scene = new Scene()
  const cumulative: [Address, string][] = [[accountOf.get(a)!, '7']]
  scene.log.intents.set(0, {
    ...{ kind: 'settling', run: aRun, epoch: 0, payoutTree: cidOf('tree'), payoutRoot: hashOf('root') },
    ...{ cumulative, ...(beacon === undefined ? {} : { beacon }) },
  })
  await scene.settle(0, epochOf(0, [a, b]))
  expect(Object.values(scene.paidOut())).toEqual(pays)
})

test('what was settled by a beacon that the chain has forgotten since stands', async () => {
  const scene = new Scene({ auditsPerEpoch: 0 })
  const elsewhere = new Scene({ auditsPerEpoch: all })
  elsewhere.absent.add(b)
  await elsewhere.settle(0, epochOf(0, [a, b, c]))
  for (const [key, verdict] of elsewhere.log.audits) scene.log.audits.set(key, verdict)
  scene.escrow.history.set(0, elsewhere.escrow.history.get(0)!)
  scene.escrow.settled.push(...elsewhere.escrow.settled)
  const { report } = await scene.settle(0, epochOf(0, [a, b, c]))
  expect(report).toMatchObject({ paid: '400', payoutRoot: elsewhere.escrow.settled[0]!.payoutRoot })
})

test('an epoch that another head settled with other audits: its pay stands, and the run goes on from it', async () => {
  const scene = new Scene({ auditsPerEpoch: all })
  const elsewhere = new Scene({ auditsPerEpoch: all })
  elsewhere.absent.add(b)
  await elsewhere.settle(0, epochOf(0, [a, b, c]))
  scene.escrow.history.set(0, elsewhere.escrow.history.get(0)!)
  scene.escrow.settled.push(...elsewhere.escrow.settled)
  const { report, tokens: verified, cumulative } = await scene.settle(0, epochOf(0, [a, b, c]))
  expect(report).toMatchObject({
    settled: true,
    payoutRoot: elsewhere.escrow.settled[0]!.payoutRoot,
    paid: '400',
  })
  expect([verified.has(b), cumulative.size, scene.notes]).toEqual([false, 2, ['SETTLED_BEFORE']])
  expect(report.audits.find(({ worker }) => worker === b)).toMatchObject({ code: 'SETTLED_BEFORE' })
  expect(scene.escrow.settled).toHaveLength(1)
})

test('an epoch that another head settled otherwise is not written over', async () => {
  const scene = new Scene()
  const elsewhere = new Scene()
  elsewhere.accounts.set(a, accountOf.get(b)!)
  await elsewhere.settle(0, epochOf(0, [a, b, c]))
  scene.escrow.history.set(0, elsewhere.escrow.history.get(0)!)
  scene.escrow.settled.push(...elsewhere.escrow.settled)
  await expect(scene.settle(0, epochOf(0, [a, b, c]))).rejects.toMatchObject({ code: 'SETTLED_OTHERWISE' })
  expect(scene.escrow.settled).toHaveLength(1)
})

test('an epoch that another head closed with another history is not settled', async () => {
  const scene = new Scene()
  scene.escrow.history.set(0, hashOf('another history'))
  await expect(scene.settle(0, epochOf(0, [a, b, c]))).rejects.toMatchObject({ code: 'CLOSED_OTHERWISE' })
  expect([scene.escrow.settled, scene.audited]).toEqual([[], []])
})

test('an unpaid run is audited by a repeatable draw, and touches no chain', async () => {
  const scene = new Scene({ paid: false })
  const first = await scene.settle(0, epochOf(0, [a, b, c]))
  expect(scene.audited).toHaveLength(1)
  expect(first.report).toMatchObject({
    beacon: null,
    settled: true,
    verified: true,
    payoutTree: null,
    paid: '0',
  })
  expect(first.tokens.get(a)).toBe(128)
  expect(first.earned.size).toBe(0)
  expect(scene.escrow.calls).toEqual([])
  const again = new Scene({ paid: false })
  await again.settle(0, epochOf(0, [a, b, c]))
  expect(again.audited).toEqual(scene.audited)
})

test('a settlement that is called off stops before its next audit', async () => {
  const scene = new Scene({ auditsPerEpoch: all })
  const called = AbortSignal.abort(new Error('shutting down'))
  await expect(scene.settlement.settle(0, cidOf('x'), epochOf(0, [a]), called)).rejects.toThrow(
    'shutting down',
  )
  expect(scene.audited).toEqual([])
})

test('verifiedTokens adds up admitted tokens of the accepted', () => {
  expect([...verifiedTokens(epochOf(0, [a, b]), (worker) => worker === a)]).toEqual([[b, 128]])
})
