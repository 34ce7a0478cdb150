import { parseEther } from 'viem'
import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { type RoundOutputs, trainRound } from '../worker/train-round.ts'
import { type Cluster, patient, startCluster } from './cluster.ts'
import { expectSolvent, shareOf } from './pay.ts'
import { commitWatch, lazySession, rewriting, withContribution, withholding } from './tampering.ts'
import { tinyRunFile } from './tiny-run.ts'

const perEpoch = '90'
const perEpochWei = parseEther(perEpoch)

const workerOf = (report: RunReport, id: WorkerId) => report.workers.find((worker) => worker.id === id)!
const refusalsOf = (report: RunReport, id: WorkerId) =>
  report.rounds.map(({ refused }) => refused.find(({ worker }) => worker === id)?.code ?? null)
const verdictsOf = (report: RunReport, id: WorkerId) =>
  report.epochs.flatMap(({ audits }) => audits.filter(({ worker }) => worker === id))

/** Whatever a cheat did: every round was closed, and the honest were in all of them, verified and paid their share. */
async function expectHonestUnharmed(
  report: RunReport,
  cluster: Cluster,
  honest: readonly WorkerId[],
): Promise<void> {
  expect(report).toMatchObject({ phase: 'finished', error: null, round: report.roundsTotal })
  for (const id of honest) {
    expect(refusalsOf(report, id)).toEqual(report.rounds.map(() => null))
    for (const { round, admitted, stateRoot, stateRoots, replicas } of report.rounds) {
      expect(admitted, `round ${round}`).toContain(id)
      expect(stateRoots[replicas.indexOf(id)], `round ${round}`).toBe(stateRoot)
    }
    expect(verdictsOf(report, id).map(({ code }) => code)).toEqual(report.rounds.map(() => 'OK'))
  }
  if (cluster.chain === null) return
  for (const id of honest) {
    const due = report.epochs.reduce((sum, { epoch }) => sum + shareOf(report, id, epoch, perEpochWei), 0n)
    expect(BigInt(workerOf(report, id).earned)).toBe(due)
  }
  await expectSolvent(report, cluster.chain)
}

test(
  'a worker that leaves out the last steps is refuted, ejected and unpaid, to nobody’s gain',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: true })
    const honest = [await cluster.addWorker(), await cluster.addWorker()]
    const lazy = await cluster.addWorker({
      train: (inputs, signal, onStep) =>
        trainRound({ ...inputs, session: lazySession(inputs.session, 5) }, signal, onStep),
    })
    const run = await cluster.submit(
      await tinyRunFile(cluster.home, { perEpoch, train: { roundsPerEpoch: 1, epochs: 3 } }),
    )
    const report = await cluster.finished(run)

    const [verdict, ...others] = verdictsOf(report, lazy.id)
    expect(verdict).toMatchObject({ outcome: 'refuted', code: 'SEGMENT_MISMATCH' })
    expect(others.filter(({ outcome }) => outcome === 'verified')).toEqual([])
    expect(report.rounds[0]!.admitted, 'nothing gives it away before the audit').toContain(lazy.id)
    // The third epoch does not begin before the first is settled.
    expect(report.rounds[2]!.members).not.toContain(lazy.id)
    expect(workerOf(report, lazy.id)).toMatchObject({ status: 'ejected', earned: '0', verifiedTokens: 0 })
    await expectHonestUnharmed(
      report,
      cluster,
      honest.map(({ id }) => id),
    )
    // As if the third had worked: a third each, and the rest stays with the funders.
    expect(report.epochs[0]!.paid).toBe((2n * (perEpochWei / 3n)).toString())
  },
)

test(
  'copies are worth nothing: of this round’s contribution, and of one of an earlier round',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: true })
    const contributions = new Map<number, Uint8Array>()
    const committed = new Map<number, PromiseWithResolvers<void>>()
    const committedAt = (round: number) => {
      const known = committed.get(round) ?? Promise.withResolvers<void>()
      committed.set(round, known)
      return known
    }
    const victim = await cluster.addWorker({
      train: async (...args) => {
        const outputs = await trainRound(...args)
        contributions.set(args[0].round, outputs.contribution)
        return outputs
      },
      network: (network) => commitWatch(network, (round) => committedAt(round).resolve()),
    })
    const bystander = await cluster.addWorker()
    const copying =
      (age: number): typeof trainRound =>
      async (inputs, signal, onStep) => {
        const outputs: RoundOutputs = await trainRound(inputs, signal, onStep)
        await committedAt(inputs.round).promise
        const copied = contributions.get(inputs.round - age)
        return copied === undefined ? outputs : withContribution(outputs, copied)
      }
    const copier = await cluster.addWorker({ train: copying(0) })
    const repeater = await cluster.addWorker({ train: copying(1) })
    const run = await cluster.submit(
      await tinyRunFile(cluster.home, { perEpoch, workers: { min: 4 }, train: { epochs: 1 } }),
    )
    const report = await cluster.finished(run)

    expect(refusalsOf(report, copier.id)).toEqual(['COPY', 'COPY'])
    expect(workerOf(report, copier.id)).toMatchObject({ earned: '0', tokens: 0 })
    const [repeated] = verdictsOf(report, repeater.id).filter(({ outcome }) => outcome === 'refuted')
    expect(repeated).toMatchObject({ round: 1, code: 'CONTRIBUTION_MISMATCH' })
    expect(workerOf(report, repeater.id)).toMatchObject({ status: 'ejected', earned: '0', verifiedTokens: 0 })
    await expectHonestUnharmed(report, cluster, [victim.id, bystander.id])
  },
)

test(
  'a worker that reveals other than it committed, or withholds what it revealed, is left out',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const honest = [await cluster.addWorker(), await cluster.addWorker()]
    const switcher = await cluster.addWorker({
      network: (network) =>
        rewriting(network, (body) => (body.kind === 'reveal' ? { ...body, lossNats: 0, salt: zeros } : body)),
    })
    const withheld = new Set<CidText>()
    const withholder = await cluster.addWorker({
      train: async (...args) => {
        const outputs = await trainRound(...args)
        withheld.add(contentId(outputs.contribution, 'raw'))
        return outputs
      },
      network: (network) => withholding(network, withheld),
    })
    const timing = { revealTimeoutMs: 2_000, fetchTimeoutMs: 1_000 }
    const file = await tinyRunFile(cluster.home, { workers: { min: 4 }, train: { epochs: 1 }, timing })
    const run = await cluster.submit(file)
    const report = await cluster.finished(run)

    expect(refusalsOf(report, switcher.id)).toEqual(['NOT_REVEALED', 'NOT_REVEALED'])
    expect(report.notes.map(({ code }) => code)).toContain('REVEAL_MISMATCH')
    expect(refusalsOf(report, withholder.id)).toEqual(['BLOCK_UNAVAILABLE', 'BLOCK_UNAVAILABLE'])
    for (const { id } of [switcher, withholder])
      expect(workerOf(report, id)).toMatchObject({ tokens: 0, verifiedTokens: 0 })
    await expectHonestUnharmed(
      report,
      cluster,
      honest.map(({ id }) => id),
    )
  },
)

test(
  'a replica with one flipped bit notices, rebuilds from the history, and goes on with the others',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const others = [await cluster.addWorker(), await cluster.addWorker()]
    const flipped = await cluster.addWorker({
      train: async (inputs, signal, onStep) => {
        const outputs = await trainRound(inputs, signal, onStep)
        // The replica's own weights, after their use in training and before the outer step.
        if (inputs.round === 0) new Uint8Array(inputs.theta.buffer)[1234]! ^= 1
        return outputs
      },
    })
    const train = { roundsPerEpoch: 1, epochs: 2 }
    const run = await cluster.submit(await tinyRunFile(cluster.home, { train }))
    const report = await cluster.finished(run)

    expect(flipped.logged.filter((code) => code === 'STATE_DIVERGED')).toHaveLength(1)
    for (const { logged } of others) expect(logged).not.toContain('STATE_DIVERGED')
    await expectHonestUnharmed(
      report,
      cluster,
      [...others, flipped].map(({ id }) => id),
    )
  },
)

const zeros = `0x${'00'.repeat(32)}` as const
