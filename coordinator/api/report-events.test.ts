import { expect, test } from 'vitest'
import type { RunReport } from '../../protocol/report.ts'
import { richReport, roundReport, runReport, workerOf, workerReport } from './fixtures/reports.ts'
import { narrate, type Told } from './report-events.ts'

/** Tells the reports one after the other, ten seconds apart. */
function story(...reports: readonly RunReport[]) {
  let told: Told | undefined
  return reports.map((report, index) => {
    const step = narrate(told, report, 2_000 + 10_000 * (index + 1))
    told = step.told
    return step.events
  })
}
const kinds = (events: readonly { kind: string }[]) => events.map(({ kind }) => kind)

test('nothing changed: nothing is told', () => {
  const report = richReport('moby')
  expect(story(report, report, { ...report, workers: [...report.workers] }).slice(1)).toEqual([[], []])
})

test('a phase with its reason; a round that opens', () => {
  const waiting = runReport('moby', { phase: 'awaiting-funds', pending: '3 of 4 tokens', workers: [] })
  const [, forming, training, failed] = story(
    waiting,
    { ...waiting, phase: 'forming', pending: 'needs 2 more' },
    runReport('moby', { phase: 'train' }),
    runReport('moby', { phase: 'failed', error: { code: 'RPC_UNREACHABLE', message: 'gone', next: 'wait' } }),
  )
  expect(forming).toMatchObject([
    { kind: 'phase', text: 'forming: needs 2 more', data: { phase: 'forming' } },
  ])
  expect(kinds(training!)).toEqual(['worker-joined', 'worker-joined', 'phase', 'round-opened'])
  expect(training!.at(-1)).toMatchObject({ round: 0, data: { epoch: 0, members: 2 } })
  expect(failed).toMatchObject([{ text: 'failed: RPC_UNREACHABLE: gone' }])
})

test('a round that closes, with what it took since the one before', () => {
  const before = runReport('moby')
  const first = {
    ...before,
    round: 1,
    rounds: [roundReport(0)],
    workers: [workerReport(1, { bytesSent: 300 }), workerReport(2, { bytesReceived: 200 })],
  }
  const second = {
    ...first,
    round: 2,
    rounds: [roundReport(0), roundReport(1, { admitted: [], trainLossNats: null, tokens: 0, refused: [] })],
  }
  const [, one, two] = story(before, first, second)
  expect(one).toMatchObject([
    {
      kind: 'round-closed',
      round: 0,
      text: 'loss 3.000 nats, 2 of 2 workers, 4096 tokens',
      // Training began at 2 s; the second look is at 22 s.
      data: { seconds: 20, tokens: 4096, tokensPerSecond: 204.8, bytes: 500, workers: 2, refused: [] },
    },
  ])
  expect(two).toMatchObject([{ round: 1, data: { seconds: 10, tokens: 0, bytes: 0, trainLossNats: null } }])
})

test('rounds that close between two looks share what was between them', () => {
  const before = runReport('moby', { startedAt: 8_000 })
  const workers = [workerReport(1, { bytesSent: 300 })]
  const [, both] = story(before, { ...before, round: 2, rounds: [roundReport(0), roundReport(1)], workers })
  const rounds = both!.filter(({ kind }) => kind === 'round-closed')
  expect(rounds.map(({ data }) => data)).toMatchObject([
    { seconds: 7, bytes: 150, tokens: 4096 },
    { seconds: 7, bytes: 150 },
  ])
})

test('rounds that were over at the first look are told, with no time that they took', () => {
  const [events] = story(richReport('moby'))
  const rounds = events!.filter(({ kind }) => kind === 'round-closed')
  expect(rounds).toMatchObject([
    { round: 0, data: { seconds: 0, tokensPerSecond: 0, tokens: 4096 } },
    { round: 1, data: { seconds: 0, bytes: 0, refused: ['NOT_COMMITTED'] } },
  ])
})

test('a worker’s first error, another one, its loss and its return', () => {
  const at = (changed: Partial<Parameters<typeof workerReport>[1]>) =>
    runReport('moby', { workers: [workerReport(1, changed ?? {})] })
  const [, failing, same, other, lost, back] = story(
    at({}),
    at({ error: 'no disk' }),
    at({ error: 'no disk' }),
    at({ error: 'no memory' }),
    at({ error: 'no memory', status: 'lost' }),
    at({ error: 'no memory', status: 'warming' }),
  )
  expect(failing).toMatchObject([{ kind: 'worker-error', worker: workerOf(1), text: 'w1: no disk' }])
  expect(same).toEqual([])
  expect(other).toMatchObject([{ data: { error: 'no memory' } }])
  expect(lost).toMatchObject([{ kind: 'worker-lost', text: 'w1 is lost' }])
  expect(back).toMatchObject([{ kind: 'worker-joined', text: 'w1 is warming' }])
})

test('audits, settlement, checkpoints, evaluations: each once', () => {
  const whole = richReport('moby')
  const [epoch] = whole.epochs
  const open = {
    ...whole,
    heldOutLossNats: { before: null, after: null },
    epochs: [{ ...epoch!, settled: false, audits: [] }],
    checkpoints: whole.checkpoints.map((checkpoint) => ({ ...checkpoint, heldOutLossNats: null })),
  }
  const [first, second, third] = story({ ...open, epochs: [], checkpoints: [] }, open, whole)
  expect(kinds(first!)).not.toContain('checkpoint')
  expect(kinds(second!)).toEqual(['checkpoint'])
  expect(third).toMatchObject([
    { kind: 'evaluation', data: { step: 0, heldOutLossNats: 5.5 } },
    { kind: 'evaluation', data: { step: 2, heldOutLossNats: 3.25 } },
    { kind: 'audit', worker: workerOf(1), round: 1, code: 'AUDIT_VERIFIED', text: 'replayed: OK' },
    { kind: 'epoch-settled', data: { epoch: 0, paid: '100' } },
  ])
})

test('an evaluation of a classification tells the accuracy too', () => {
  const before = { before: null, after: null }
  const fresh = runReport('digits', { task: 'classification', heldOutAccuracy: before })
  const measured = {
    heldOutLossNats: { before: 2.5, after: null },
    heldOutAccuracy: { before: 0.125, after: null },
  }
  const [, told] = story(fresh, runReport('digits', { task: 'classification', ...measured }))
  expect(told).toMatchObject([
    {
      text: 'held-out loss 2.500, accuracy 12.50 % after 0 rounds',
      data: { step: 0, heldOutLossNats: 2.5, heldOutAccuracy: 0.125 },
    },
  ])
})

test('notes that are new, also when the oldest have been dropped', () => {
  const note = (at: number) => ({ at, code: 'NOTE', text: `at ${at}` })
  const with_ = (...at: number[]) => runReport('moby', { notes: at.map(note) })
  const [, second, third] = story(with_(1, 2), with_(2, 3, 4), with_(8, 9))
  expect(second).toMatchObject([{ text: 'at 3', at: 3 }, { text: 'at 4' }])
  expect(third).toMatchObject([{ text: 'at 8' }, { text: 'at 9' }])
})
