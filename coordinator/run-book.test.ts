import { expect, test } from 'vitest'
import { cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { EpochReport } from '../protocol/report.ts'
import { joined } from './members.ts'
import { VirtualHead } from './round/fixtures/virtual-head.ts'
import { RunBook } from './run-book.ts'

const [a, b, c, d] = [peer(1), peer(2), peer(3), peer(4)]

function played(): { readonly book: RunBook; readonly run: VirtualHead } {
  const run = new VirtualHead()
  run.form(a, b, c)
  run.round(a, b, c)
  const works = [a, b].map((worker) => ({ worker, ...run.work(worker, { lossNats: worker === a ? 1 : 2 }) }))
  for (const { worker, commit } of works) run.say(worker, commit)
  run.pass(2000)
  for (const { worker, reveal } of works) run.say(worker, reveal)
  const book = new RunBook()
  for (const manifest of run.manifests) book.addManifest(manifest, cidOf(`manifest ${manifest.round}`))
  return { book, run }
}

const epoch: EpochReport = {
  ...{ epoch: 0, manifest: cidOf('m'), beacon: null, audits: [], verified: true, settled: true },
  ...{ payoutTree: cidOf('tree'), payoutRoot: hashOf('root'), paid: '30', txHash: null, gasUsed: null },
}

test('rounds tell who was in, who was left out and why, and the roots that replicas announced', () => {
  const { book, run } = played()
  run.say(b, { kind: 'stateRoot', round: 1, root: hashOf('b’s'), checkpoint: null })
  run.say(a, { kind: 'stateRoot', round: 1, root: run.state.stateRoot, checkpoint: null })
  const [first, second] = book.rounds(run.state)
  expect(first).toMatchObject({
    round: 0,
    epoch: 0,
    admitted: [a, b, c],
    refused: [],
    trainLossNats: 1,
    replicas: [],
  })
  expect(second).toMatchObject({
    ...{ admitted: [a, b], refused: [{ worker: c, code: 'NOT_COMMITTED' }], trainLossNats: 1.5 },
    ...{ replicas: [a, b], stateRoots: [run.state.stateRoot, hashOf('b’s')], manifest: cidOf('manifest 1') },
  })
  expect(book.checkpoints()).toEqual([
    { epoch: 0, round: 1, cid: run.manifests[1]!.checkpoint, heldOutLossNats: null, heldOutAccuracy: null },
  ])
  book.addMeasurement({ what: 'epoch', epoch: 0, lossNats: 3.5, accuracy: 0.25, text: null })
  book.addMeasurement({ what: 'epoch', epoch: 9, lossNats: 1, text: null })
  expect(book.checkpoints()).toMatchObject([{ heldOutLossNats: 3.5, heldOutAccuracy: 0.25 }])
})

test('a void round has no loss', () => {
  const run = new VirtualHead()
  run.form(a, b, c)
  run.pass(10_000)
  const book = new RunBook()
  book.addManifest(run.manifests[0]!, cidOf('m'))
  expect(book.rounds(run.state)[0]!.trainLossNats).toBeNull()
})

test('workers tell what they trained, what was verified, earned and claimed', () => {
  const { book, run } = played()
  run.send({ kind: 'join', worker: d, fresh: true })
  const payout = `0x${'aB'.repeat(20)}` as const
  let cluster = joined(
    new Map(),
    { id: a, engineClass: 'x', addresses: [], payout, incarnation: '', offer: null },
    0,
  )!
  cluster = joined(
    cluster,
    { id: c, engineClass: 'x', addresses: [], payout: null, incarnation: '', offer: null },
    0,
  )!
  book.addEpoch(epoch, new Map([[a, 128]]), new Map([[a, 30n]]))
  book.addEpoch({ ...epoch, epoch: 1, payoutTree: null }, new Map([[a, 64]]), new Map([[a, 5n]]))
  const workers = book.workers(run.state, cluster, new Map([[payout.toLowerCase(), 20n]]))
  expect(workers).toMatchObject([
    { id: a, name: 'w1', tokens: 128, verifiedTokens: 192, earned: '35', claimed: '20', lossNats: null },
    { id: c, name: 'w2', tokens: 64, verifiedTokens: 0, earned: '0', claimed: '0' },
  ])
  expect(book.newestPayoutTree()).toBe(cidOf('tree'))
  expect(book.manifestsOf(0)).toHaveLength(2)
  expect(book.manifestsOf(1)).toEqual([])
})

test('the newest hundred notes are kept', () => {
  const book = new RunBook()
  for (let at = 0; at < 250; at++) book.addNote(at, 'X', null, '')
  expect(book.notes(String)).toHaveLength(100)
  expect(book.notes(String).at(-1)?.at).toBe(249)
})
