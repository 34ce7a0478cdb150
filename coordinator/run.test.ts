import { expect, test, vi } from 'vitest'
import type { Confirming, Escrow } from '../chain/escrow-port.ts'
import { digestHash } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { WorkerId } from '../protocol/ids.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { runViewOf } from './cluster-views.ts'
import type { HeadRecord } from './journal/record.ts'
import { type ClusterMember, silent } from './members.ts'
import { HeadReplica } from './replica.ts'
import { rules } from './round/fixtures/virtual-head.ts'
import { RunCoordinator } from './run.ts'
import { RunLog } from './run-log.ts'
import { RunNotes } from './run-notes.ts'
import type { RunAuditor, RunDependencies } from './run-ports.ts'

/* A paid run between its submission and its first round, over an escrow whose answers a test writes. */

const address = `0x${'11'.repeat(20)}` as const
const account = { funded: 0n, refunded: 0n, reserved: 0n, claimed: 0n, unspent: 0n }
const state = { ended: false, epochs: 2, epochsSettled: 0, epochsClosed: 0 }
const failure = (code: string) => new MurmurError(code, { message: code, next: 'none' })

interface Before {
  readonly known?: Map<WorkerId, ClusterMember>
  /** Brings the log to where the process before left it. */
  journaled?(log: RunLog): void
}

function opened(
  escrow: Partial<Record<keyof Escrow, (...args: never[]) => Promise<unknown>>>,
  { known = new Map<WorkerId, ClusterMember>(), journaled = () => {} }: Before = {},
) {
  const start = { theta: new Float32Array(1), vectors: [] }
  const records: HeadRecord[] = []
  const finished: string[] = []
  const notes: string[] = []
  const log = new RunLog(aRun)
  log.setRules(rules)
  journaled(log)
  const clock = { now: () => 0 }
  const members = () => known
  const fake = {
    createRun: async () => ({}),
    accounting: async () => account,
    run: async () => state,
    finish: async () => void finished.push('finish'),
    claims: async () => [],
    ...escrow,
  } as unknown as Escrow
  const run = new RunCoordinator(
    {
      run: aRun,
      spec: {
        name: 'x',
        train: { epochs: 2 },
        audit: { roundsPerEpoch: 1 },
        workers: { max: 1 },
      } as unknown as RunSpec,
      ...{ task: 'language', parameterCount: 1, movingCount: 1, programMemoryBytes: 1 },
      money: {
        ...{ escrow: fake, epochReward: 100n, rpcUrl: '', chainId: 1, token: address },
        context: { chainId: 1, escrow: address, escrowRun: hashOf('run') },
      },
    },
    {
      ...{ clock, log, members },
      network: {
        self: peer(0),
        subscribe: async () => {},
        unsubscribe: () => {},
        publish: async () => {},
      } as Partial<Network> as Network,
      blocks: {} as BlockStore,
      replica: new HeadReplica(start, new Map([[0, start.theta]]), {} as never),
      auditor: {
        evaluate: async () => ({ lossNats: 1, accuracy: null }),
        sample: async () => '',
        close: async () => {},
      } as Partial<RunAuditor> as RunAuditor,
      journal: {
        append: (record: HeadRecord) => records.push(record),
        durable: async () => {},
        compact: async () => {},
      },
      notes: new RunNotes({ log, clock, members, line: (code, text) => notes.push(`${code} ${text}`) }),
      deposed: () => {},
    } satisfies RunDependencies,
  )
  run.lead(8, [peer(0)])
  return { run, finished, records, notes }
}

test('a run that is stopped before it is funded is over, and its escrow closed', async () => {
  const { run, finished } = opened({})
  await vi.waitFor(() => expect(run.pending).toContain('the escrow holds 0 of 200 wei'))
  run.stop('stopped by its owner')
  await run.finished
  expect([run.phase, run.error, finished]).toEqual(['stopped', null, ['finish']])
})

test('an escrow that refuses fails the run, in its journal too', async () => {
  const { run, records } = opened({
    createRun: async () => Promise.reject(failure('TX_REVERTED')),
    run: async () => ({ ...state, ended: true }),
  })
  await run.finished
  expect([run.phase, run.error?.code]).toEqual(['failed', 'TX_REVERTED'])
  expect(records.map((record) => (record.kind === 'round' ? record.event.kind : record.kind))).toEqual(
    expect.arrayContaining(['lead', 'fail']),
  )
})

/** Led in term 1 and stopped; its only epoch is closed, and not recorded as settled. */
function withEpochUnsettled(log: RunLog): void {
  log.applyRound({ kind: 'lead', term: 1, heads: [peer(0)] }, 0)
  log.applyRound({ kind: 'stop', reason: 'enough' }, 0)
  log.book.addManifest(
    {
      ...{ run: aRun, term: 1, round: 0, epoch: 0, parent: null, entries: [], refused: [], slots: [] },
      ...{
        baseRoot: hashOf('b'),
        stateRoot: hashOf('s'),
        closesEpoch: true,
        checkpoint: null,
        average: null,
      },
    },
    cidOf('last'),
  )
  log.closed.push({ epoch: 0, lastManifest: cidOf('last') })
}
const refused = (error: string) =>
  new MurmurError('TX_REVERTED', { message: error, next: 'none', details: { error } })

test('a run that its last settlement has ended on chain is settled in the journal too', async () => {
  const asked: string[] = []
  const { run } = opened(
    {
      createRun: async () => Promise.reject(refused('RunExists')),
      run: async () => ({ ...state, epochs: 1, epochsClosed: 1, epochsSettled: 1, ended: true }),
      // What is unspent goes back to its funders from then on.
      accounting: async () => ({ ...account, funded: 200n, refunded: 100n }),
      takeLease: async () => Promise.reject(refused('RunAlreadyEnded')),
      historyRoot: async () => {
        asked.push('settlement')
        throw failure('ASKED')
      },
    },
    { journaled: withEpochUnsettled },
  )
  await run.finished
  expect([asked, run.error?.code]).toEqual([['settlement'], 'ASKED'])
})

test('a run whose last epoch waits for its confirmations says so', async () => {
  const { run } = opened(
    {
      takeLease: async () => null,
      accounting: async () => ({ ...account, funded: 200n }),
      historyRoot: async () => digestHash(cidOf('last')),
      beacon: async (_run: unknown, _epoch: unknown, signal: AbortSignal, confirming: Confirming) => {
        confirming(108n, 7n, 12n)
        await new Promise((_, reject) => signal.addEventListener('abort', reject))
      },
    },
    { journaled: withEpochUnsettled },
  )
  await vi.waitFor(() => expect(run.pending).toBe('epoch 1: waiting for block 120 (7 of 12 confirmations)'))
  await run.close()
})

test('a head that restarts after the rounds settles what is left in its new term', async () => {
  const terms: number[] = []
  const { run } = opened(
    {
      takeLease: async (_run: unknown, term: number) => void terms.push(term),
      accounting: async () => ({ ...account, funded: 200n }),
      historyRoot: async () => undefined,
      closeEpoch: async (_run: unknown, _epoch: unknown, _history: unknown, term: number) => {
        terms.push(term)
        throw failure('ASKED')
      },
    },
    { journaled: withEpochUnsettled },
  )
  await run.finished
  expect([terms, run.error?.code]).toEqual([[8, 8], 'ASKED'])
})

test('a chain that is away or slow is waited for', { timeout: 30_000 }, async () => {
  const failures = [failure('TX_UNCONFIRMED')]
  const { run } = opened({
    createRun: async () => (failures.length > 0 ? Promise.reject(failures.shift()) : {}),
    accounting: async () => ({ ...account, funded: 200n }),
  })
  await vi.waitFor(() => expect(run.phase).toBe('forming'), { timeout: 25_000 })
  await run.close()
})

test('a worker that says it cannot do the run is excluded from it, until it comes back as a new process', async () => {
  const worker = peer(1)
  const process = (incarnation: string) => ({ name: 'w1', incarnation }) as ClusterMember
  const known = new Map([[worker, process('a')]])
  const { run, notes } = opened({}, { known })
  const entry = { run: aRun, spec: run.options.spec, submittedAt: 1, options: { priority: 0, owner: 'me' } }
  const excluded = () => [...runViewOf(entry, run).excluded]
  const error = 'DATA_MISFIT: of other data'
  const says = (phase: string, by = worker) =>
    run.heartbeat(by, { ...silent, phase, error }, new Uint8Array(), null)
  says('warming')
  says('declined', peer(2))
  expect(excluded()).toEqual([])
  says('declined')
  says('declined')
  expect(excluded()).toEqual([worker])
  expect(notes.filter((note) => note.startsWith('WORKER_DECLINED'))).toEqual([expect.stringContaining(error)])
  known.set(worker, process('b'))
  expect(excluded()).toEqual([])
  await run.close()
})
