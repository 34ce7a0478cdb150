/**
 * Honest traffic while a member floods: how long gossip takes from one worker to another through a head, and rounds per
 * minute of a real run, with a flooder (a process of its own, as fast as it can) and without, in the same run; and, as a
 * flooder on this host takes one of its cores, with a process that does nothing but that.
 * Usage: node bench/hostile.ts [messages, default 80] [seconds of rounds, default 20]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectApi } from '../cli/api-client.ts'
import { startHead } from '../cli/head-process.ts'
import { prepareRun, submitRun } from '../cli/submit.ts'
import { startWorker } from '../cli/worker-process.ts'
import { createKey } from '../network/identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'
import { aRun, hashOf } from '../protocol/fixtures/names.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { maxGossipBytes } from '../protocol/limits.ts'
import { topicOf } from '../protocol/topic.ts'
import { judge } from '../protocol/verdict.ts'
import { decode, encode } from '../protocol/wire.ts'
import { type FloodKind, startFlooding } from '../test/fixtures/flooding.ts'
import { tinyRunFile } from '../test/tiny-run.ts'
import { until } from '../test/until.ts'

const [messages, seconds] = [Number(process.argv[2] ?? 80), Number(process.argv[3] ?? 20)]
const floods: readonly FloodKind[] = ['plausible', 'absurd', 'requests']
/** Below the rate that an author may have. */
const everyMs = 80
const listen = ['/ip4/127.0.0.1/tcp/0']
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN

// ---- gossip, from a worker to another through a head ---------------------------------------------------------

const topic = topicOf(aRun)
const start = (nuisances: string[] = []): Promise<Libp2pNetwork> =>
  createKey().then((privateKey) =>
    createNetwork(
      { privateKey, listen },
      {
        clock: { now: () => Date.now() },
        onFault: console.error,
        onNuisance: ({ peer, kind }) => nuisances.push(`${kind} ${peer}`),
      },
    ),
  )

/** Milliseconds that each of a worker's messages took to the other worker, sorted; those that never came are missing. */
async function delivery(flood: FloodKind | null) {
  const nuisances: string[] = []
  const [head, from, to] = [await start(nuisances), await start(), await start()]
  const view = { run: aRun, heads: [head.self], term: 8, round: 2, authoritative: true }
  const verdictOf = (author: WorkerId, data: Uint8Array) => {
    try {
      return judge({ ...view, isMember: () => true }, author, decode('Gossip', data, maxGossipBytes)).verdict
    } catch {
      return 'reject'
    }
  }
  const sent = new Map<string, number>()
  const took: number[] = []
  await head.subscribe(
    topic,
    ({ author, data }) => verdictOf(author, data),
    () => {},
  )
  head.handleRequests(async (_, payload) => payload)
  for (const node of [from, to]) {
    await node.subscribe(
      topic,
      ({ author, data }) => verdictOf(author, data),
      ({ author, data }) => {
        const at = sent.get(Buffer.from(data).toString('hex'))
        if (node === to && author === from.self && at !== undefined) took.push(performance.now() - at)
      },
    )
    await node.dial(head.addresses()[0]!, AbortSignal.timeout(30_000))
    await node.waitForTopicPeer(topic, head.self, AbortSignal.timeout(30_000))
    await head.waitForTopicPeer(topic, node.self, AbortSignal.timeout(30_000))
  }
  const flooding = flood === null ? null : await startFlooding(head.addresses()[0]!, aRun, flood)
  await sleep(2_000)
  const [turnsBefore, began, busy] = [flooding?.turns ?? 0, performance.now(), process.cpuUsage()]
  for (let message = 0; message < messages; message++) {
    const body = { kind: 'stateRoot', round: 1, root: hashOf(`honest ${message}`), checkpoint: null } as const
    const data = encode('Gossip', { run: aRun, term: 8, body })
    sent.set(Buffer.from(data).toString('hex'), performance.now())
    await from.publish(topic, data)
    await sleep(everyMs)
  }
  await sleep(1_000)
  const tookSeconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(busy)
  const perSecond = ((flooding?.turns ?? 0) - turnsBefore) / tookSeconds
  await flooding?.[Symbol.asyncDispose]()
  await Promise.all([head, from, to].map((node) => node.stop()))
  const cores = (user + system) / 1e6 / tookSeconds
  return { took: took.sort((a, b) => a - b), perSecond, cores, named: new Set(nuisances).size }
}

async function gossip(): Promise<void> {
  let alone = Number.NaN
  for (const flood of [null, ...floods]) {
    const { took, perSecond, cores, named } = await delivery(flood)
    const [p50, p95] = [quantile(took, 0.5), quantile(took, 0.95)]
    if (flood === null) alone = p95
    const what = flood === null ? 'no flood' : `${flood} flood, ${perSecond.toFixed(0)}/s, named ${named > 0}`
    console.log(
      `gossip, ${what}: ${took.length} of ${messages} delivered, p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, ` +
        `ratio ${(p95 / alone).toFixed(2)}; ${cores.toFixed(2)} cores for head and both workers`,
    )
  }
}

// ---- rounds of a real run -------------------------------------------------------------------------------------

async function roundsPerMinute(): Promise<void> {
  const home = await mkdtemp(path.join(tmpdir(), 'murmur-bench-hostile-'))
  const spoken = process.stderr.write
  process.stderr.write = () => true
  const head = await startHead({ home, listen, apiPort: 0, token: '', devnet: false, chain: null })
  const [address] = head.ready.addresses
  const workers = []
  for (const name of ['a', 'b'])
    workers.push(
      await startWorker({
        folder: path.join(home, name),
        addresses: [address!],
        listen,
        token: '',
        payout: null,
      }),
    )
  await Promise.all(workers.map(({ joined }) => joined))
  const api = await connectApi(home)
  let alone = Number.NaN
  for (const flood of [null, 'spin', ...floods] as const) {
    const train = { innerSteps: 60, roundsPerEpoch: 2, epochs: 10_000 }
    const file = await tinyRunFile(home, {
      ...{ train, workers: { min: 2, max: 2 }, audit: { roundsPerEpoch: 1 } },
    })
    const { run, ...prepared } = await prepareRun({ ...file, name: `bench ${flood}` }, 'bench')
    await submitRun(api, { run, ...prepared })
    const report = async () => (await api.report(run))!
    await until('the first round', 120_000, async () => (await api.report(run))?.rounds.length || null)
    const flooding =
      flood === null ? null : flood === 'spin' ? spinning() : await startFlooding(address!, run, flood)
    const [before, began] = [(await report()).rounds.length, performance.now()]
    await sleep(1000 * seconds)
    const perMinute = ((await report()).rounds.length - before) / ((performance.now() - began) / 60_000)
    await flooding?.[Symbol.asyncDispose]()
    await api.stopRun(run)
    await until('the end', 120_000, async () => (await report()).phase === 'stopped')
    if (flood === null) alone = perMinute
    const { rounds } = await report()
    const admitted = rounds.reduce((sum, round) => sum + round.admitted.length, 0)
    console.log(
      `rounds, ${flood === null ? 'no flood' : flood === 'spin' ? 'a core taken' : `${flood} flood`}: ${perMinute.toFixed(1)} a minute, ratio ${(perMinute / alone).toFixed(2)}; ` +
        `${admitted} of ${2 * rounds.length} contributions admitted`,
    )
  }
  for (const worker of workers) {
    worker.life.catch(() => {})
    await worker.stop()
  }
  await head.stop()
  process.stderr.write = spoken
  await rm(home, { recursive: true, force: true })
}

/** A process that takes a core, and disturbs nobody otherwise. */
function spinning(): AsyncDisposable {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

await gossip()
await roundsPerMinute()
process.exit(0)
