import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { parseEther } from 'viem'
import { expect, test } from 'vitest'
import { openStore } from '../checkpoints/store.ts'
import { diskNeeds } from '../cli/disk-needs.ts'
import { headFolder, workerFolder } from '../cli/home.ts'
import { runNeeds } from '../cli/run-needs.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import { readManifest } from '../protocol/manifest.ts'
import type { Network } from '../protocol/ports.ts'
import { decode } from '../protocol/wire.ts'
import { trainRound } from '../worker/train-round.ts'
import { type ClusterWorker, patient, startCluster } from './cluster.ts'
import { expectSolvent, shareOf } from './pay.ts'
import { tinyRunFile } from './tiny-run.ts'

const perEpoch = '90'

test('a run from its escrow to the last claim, with a worker that joins on the way', patient, async () => {
  await using cluster = await startCluster({ paid: true })
  // Round 1 is not finished before the newcomer is ready, so that it is in round 2 for certain.
  const newcomerReady = Promise.withResolvers<void>()
  const train: typeof trainRound = async (inputs, signal, onStep) => {
    if (inputs.round === 1) await newcomerReady.promise
    return await trainRound(inputs, signal, onStep)
  }
  const fullest: Promise<number>[] = []
  const names = ['worker-1', 'worker-2', 'worker-3']
  const blocksOf = (name: string) => bytesIn(path.join(workerFolder(cluster.home, name), 'blocks'))
  const founders: ClusterWorker[] = []
  const measuredAtEnd = (name: string) => {
    const full = Promise.withResolvers<number>()
    fullest.push(full.promise)
    const measure = async () => full.resolve(await blocksOf(name))
    return { network: (network: Network) => beforeEnd(network, measure) }
  }
  for (const name of names) founders.push(await cluster.addWorker({ train, ...measuredAtEnd(name) }))
  // Of a size beside which programs and text are little on a worker's disk.
  const model = { width: 64, heads: 2 }
  const file = await tinyRunFile(cluster.home, { perEpoch, model, audit: { roundsPerEpoch: 2 } })
  const run = await cluster.submit(file, 1n)
  await cluster.watch(run, 'round 0 to be over', ({ rounds }) => rounds.length === 1)
  const newcomer = await cluster.addWorker(measuredAtEnd('worker-4'))
  await cluster.watch(run, 'the newcomer to have caught up', ({ workers }) =>
    workers.some(({ id, status }) => id === newcomer.id && status === 'ready'),
  )
  newcomerReady.resolve()
  const report = await cluster.finished(run)

  expect(report).toMatchObject({ phase: 'finished', error: null, round: 4 })
  const all = [...founders, newcomer].map(({ id }) => id)
  const early = founders.map(({ id }) => id)
  for (const { round, admitted, refused, stateRoot, stateRoots, replicas } of report.rounds) {
    expect(refused, `round ${round}`).toEqual([])
    expect([...admitted].sort(), `round ${round}`).toEqual([...(round < 2 ? early : all)].sort())
    // The newcomer's replica too: it tells the root that it rebuilt of round 0.
    expect([...replicas].sort(), `round ${round}`).toEqual([...all].sort())
    expect(new Set(stateRoots), `round ${round}`).toEqual(new Set([stateRoot]))
  }

  expect(report.epochs.map(({ audits }) => audits.length)).toEqual([2, 2])
  for (const { verified, settled, audits, beacon } of report.epochs) {
    expect({ verified, settled }).toEqual({ verified: true, settled: true })
    expect(new Set(audits.map(({ code }) => code))).toEqual(new Set(['OK']))
    expect(beacon).not.toBeNull()
  }
  for (const { id, earned } of report.workers) {
    const due = [0, 1].reduce((sum, epoch) => sum + shareOf(report, id, epoch, parseEther(perEpoch)), 0n)
    expect(BigInt(earned), id).toBe(due)
  }
  await expectSolvent(report, cluster.chain!)
  expect(report.escrow!.refundable).toBe('1')

  const written = report.checkpoints.map(({ cid }) => cid)
  expect(written).toHaveLength(2)
  for (const { id, store } of [...founders, newcomer]) {
    const pinned = (await store.list()).map(({ cid }) => cid)
    expect(pinned.sort(), id).toEqual([...written].sort())
  }
  const { before, after } = report.heldOutLossNats
  expect(before! - after!).toBeGreaterThan(0.3)

  const measured = await Promise.all(fullest)
  await cluster.close()
  const reopened = await openStore(headFolder(cluster.home))
  for (const [epoch, cid] of written.entries()) {
    const { manifest } = await reopened.readCheckpoint(cid)
    const { round, stateRoot } = report.rounds[2 * epoch + 1]!
    expect(manifest).toMatchObject({ run, epoch, round, stateRoot, parent: written[epoch - 1] ?? null })
  }
  const contributions: CidText[] = []
  for (const { manifest } of report.rounds)
    for (const { contribution } of readManifest((await reopened.blocks.get(manifest))!).manifest.entries)
      contributions.push(contribution)
  expect(contributions).toHaveLength(3 + 3 + 4 + 4)
  await reopened.close()

  const { totalBytes } = diskNeeds(file, await runNeeds(file))
  // The newcomer was not there for all of it.
  for (const bytes of measured.slice(0, names.length)) {
    expect(bytes / totalBytes).toBeGreaterThan(0.97)
    expect(bytes / totalBytes).toBeLessThan(1.06)
  }
  for (const name of [...names, 'worker-4']) {
    // The run has ended: what is left is checkpoints, the local state it began with, program, data and manifests.
    const left = await blocksOf(name)
    expect(left / totalBytes, name).toBeLessThan(0.7)
    const store = await openStore(workerFolder(cluster.home, name))
    for (const cid of contributions) expect(await store.blocks.has(cid), name).toBe(false)
    const kept = await store.kept()
    expect([...kept.runs().keys()], name).toEqual([run])
    // Nothing that it has stored was not kept for something.
    await kept.drop(() => true)
    expect(await blocksOf(name), name).toBe(0)
    await store.close()
  }
})

/** A network that first does `then` when the head says that a run is over, its epochs settled. */
function beforeEnd(network: Network, then: () => Promise<void>): Network {
  let isOver = false
  return {
    ...network,
    request: async (peer, payload, signal) => {
      const answer = await network.request(peer, payload, signal)
      const { body } = decode('HeadReply', answer, maxRequestBytes)
      if (!isOver && body.kind === 'beat' && body.assignment?.ended === true) {
        isOver = true
        await then()
      }
      return answer
    },
  }
}

/** Bytes of all files below a folder. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => stat(path.join(parentPath, name))),
  )
  return sizes.reduce((sum, { size }) => sum + size, 0)
}
