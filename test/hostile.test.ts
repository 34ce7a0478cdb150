import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Libp2pNetwork } from '../network/node.ts'
import { protocols } from '../network/protocols.ts'
import type { WorkerId } from '../protocol/ids.ts'
import type { Network } from '../protocol/ports.ts'
import type { RunReport } from '../protocol/report.ts'
import { patient, startCluster } from './cluster.ts'
import { startFlooding } from './fixtures/flooding.ts'
import { tinyRunFile } from './tiny-run.ts'
import { until } from './until.ts'

/*
 * Whole runs with a neighbour who does nothing but harm. Each must end as if it were not there: every round closed, the
 * honest in all of them and credited with all that they trained, and the neighbour named.
 */
function expectHonestCredited(report: RunReport, honest: readonly WorkerId[]): void {
  expect(report).toMatchObject({ phase: 'finished', error: null, round: report.roundsTotal })
  for (const { round, admitted } of report.rounds)
    expect(admitted, `round ${round}`).toEqual(expect.arrayContaining([...honest]))
  for (const id of honest) {
    const worker = report.workers.find((one) => one.id === id)!
    expect(worker.verifiedTokens).toBe(report.tokensPerRound * report.roundsTotal)
    expect(worker.tokens).toBe(worker.verifiedTokens)
  }
}

const train = { roundsPerEpoch: 2, epochs: 1 }

test('three strangers who joined flood, with what could be true, what cannot, and questions: nobody misses a round', {
  timeout: 300_000,
}, async () => {
  await using cluster = await startCluster({ paid: false })
  const honest = [await cluster.addWorker(), await cluster.addWorker()]
  const [address] = (await cluster.api.status()).addresses
  const long = { roundsPerEpoch: 4, epochs: 500 }
  const file = await tinyRunFile(cluster.home, {
    ...{ train: long, workers: { min: 2, max: 2 }, audit: { roundsPerEpoch: 1 } },
  })
  const run = await cluster.submit(file)
  await cluster.watch(run, 'a first round', ({ rounds }) => rounds.length > 0)
  // Many times what a head listens to, and little enough that a busy host has time for honest work too.
  const perSecond = 400
  const kinds = ['plausible', 'absurd', 'requests'] as const
  const floods = await Promise.all(kinds.map((kind) => startFlooding(address!, run, kind, perSecond)))
  await using stack = new AsyncDisposableStack()
  for (const flood of floods) stack.use(flood)
  // How many questions get through in a second depends on the host: test/fuzz.test.ts shows that their asker is named.
  const named = floods.slice(0, 2)
  const log = await until('the flooders to be named', 60_000, () => {
    const lines = cluster.log()
    return named.every(({ id }) => lines.includes(`PEER_NUISANCE ${id}`)) && lines
  })
  const { rounds } = (await cluster.api.report(run))!
  const under = await cluster.watch(
    run,
    'more rounds',
    (now) => now.rounds.length >= rounds.length + 2 && now,
  )
  await cluster.api.stopRun(run)
  const report = await cluster.finished(run)
  expect(report).toMatchObject({ phase: 'stopped', error: null })
  expect(report.rounds.length).toBeGreaterThanOrEqual(under.rounds.length)
  for (const { id } of honest) {
    for (const { round, admitted } of under.rounds) expect(admitted, `round ${round}`).toContain(id)
    // The round in which the run was stopped is void.
    const closed = report.rounds.filter(({ admitted }) => admitted.includes(id))
    expect(closed.length).toBeGreaterThanOrEqual(under.rounds.length)
    const worker = report.workers.find((one) => one.id === id)!
    expect(worker.verifiedTokens).toBe(report.tokensPerRound * closed.length)
  }
  for (const { turns } of named) expect(turns).toBeGreaterThan(64)
  // Named a few times, and not as often as they spoke; and nothing of theirs is shown as it came.
  expect(log.split('PEER_NUISANCE').length).toBeLessThan(40)
  expect(log).not.toContain('\x1b')
})

test(
  'blocks that never end, are too long, or are not there cost their worker its rounds, and nobody else',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const honest = [await cluster.addWorker(), await cluster.addWorker()]
    const endless = await cluster.addWorker({ network: servingBlocks(endlessBlock) })
    const long = await cluster.addWorker({ network: servingBlocks(longBlock) })
    const run = await cluster.submit(
      await tinyRunFile(cluster.home, {
        train: { roundsPerEpoch: 1, epochs: 1 },
        timing: { fetchTimeoutMs: 3_000 },
        workers: { min: 4 },
      }),
    )
    const report = await cluster.finished(run)
    expectHonestCredited(
      report,
      honest.map(({ id }) => id),
    )
    for (const { refused } of report.rounds) {
      const codes = new Map(refused.map(({ worker, code }) => [worker, code]))
      for (const { id } of [endless, long]) expect(codes.get(id)).toBe('BLOCK_UNAVAILABLE')
    }
  },
)

test('a neighbour that holds every stream and socket half open keeps nobody waiting', patient, async () => {
  await using cluster = await startCluster({ paid: false })
  const honest = [await cluster.addWorker(), await cluster.addWorker()]
  const [address] = (await cluster.api.status()).addresses
  const port = Number(/tcp\/(\d+)/.exec(address!)![1])
  const sockets: Socket[] = []
  const opened: Promise<unknown>[] = []
  const loris = await cluster.addWorker({
    network: (network) => {
      const { libp2p } = network as Libp2pNetwork
      libp2p.addEventListener('connection:open', ({ detail: connection }) => {
        for (const [protocol, half] of [
          [protocols.requests, Uint8Array.of(0, 0, 1, 0, 1)],
          [protocols.blocks, Uint8Array.of(0, 9, 1)],
        ] as const)
          for (let place = 0; place < 24; place++)
            opened.push(
              connection
                .newStream(protocol, { maxOutboundStreams: 1_000 })
                .then((stream) => stream.send(half))
                .catch(() => {}),
            )
      })
      return network
    },
  })
  for (let index = 0; index < 150; index++) {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.3' })
    socket.on('error', () => {})
    sockets.push(socket)
  }
  const run = await cluster.submit(await tinyRunFile(cluster.home, { train, workers: { min: 2 } }))
  const report = await cluster.finished(run)
  for (const socket of sockets) socket.destroy()
  await Promise.all(opened)
  expect(opened.length).toBeGreaterThan(40)
  expectHonestCredited(
    report,
    honest.map(({ id }) => id),
  )
  expect(report.rounds.every(({ members }) => members.length <= 3)).toBe(true)
  expect(loris.id).not.toBe(honest[0]!.id)
})

type BlockAnswer = (send: (bytes: Uint8Array) => boolean, onDrain: (again: () => void) => void) => void

/** Says that it has every block, and sends what `answer` makes of that. */
function servingBlocks(answer: BlockAnswer): (network: Network) => Network {
  return (network) => {
    const { libp2p } = network as Libp2pNetwork
    return {
      ...network,
      serveBlocks: () => {
        void libp2p.unhandle(protocols.blocks).then(() =>
          libp2p.handle(protocols.blocks, (stream) =>
            answer(
              (bytes) => stream.writeStatus === 'writable' && stream.send(bytes),
              (again) => stream.addEventListener('drain', again),
            ),
          ),
        )
      },
    }
  }
}

const header = (length: number): Uint8Array => {
  const bytes = Buffer.alloc(5)
  bytes[0] = 1
  bytes.writeUInt32BE(length, 1)
  return bytes
}

/** Of the least length that could be right; the bytes come without end. */
const endlessBlock: BlockAnswer = (send, onDrain) => {
  const piece = new Uint8Array(65_536)
  const more = (): void => {
    while (send(piece));
  }
  onDrain(more)
  send(header(100))
  more()
}

/** Four gigabytes, it says, and sends some of them. */
const longBlock: BlockAnswer = (send) => {
  send(header(0xffffffff))
  send(new Uint8Array(65_536))
}
