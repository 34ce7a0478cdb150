import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { readReady } from '../cli/home.ts'
import type { RunSummary } from '../cli/summary.ts'
import { createSmallInternet, headHost, missingForInternet, natHosts } from './nat/namespaces.ts'
import { murmurIn } from './nat/nodes.ts'
import { type Look, type RemotePeer, startPeer } from './nat/orders.ts'
import { tinyRunFile } from './tiny-run.ts'
import { until } from './until.ts'

const missing = await missingForInternet()
/** The reason is in the name, so that a report of skipped tests gives it. */
const onInternet = missing === undefined ? '' : ` (skipped: ${missing})`

const waitMs = 30_000
const blockBytes = 5_000_000

const ends: AsyncDisposable[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end[Symbol.asyncDispose]()
})
const kept = <One extends AsyncDisposable>(one: One): One => {
  ends.push(one)
  return one
}

/** Two nodes, each behind a NAT of its own, that know only the head's address; and the head. */
async function joined(random: boolean) {
  const internet = kept(await createSmallInternet({ random }))
  const head = kept(
    await startPeer(internet.inside('head'), {
      listen: [`/ip4/${headHost}/tcp/4101`],
      relay: true,
      reserveAt: [],
    }),
  )
  const outbound = { listen: ['/ip4/0.0.0.0/tcp/0'], relay: false, reserveAt: head.addresses }
  const a = kept(await startPeer(internet.inside('worker1'), outbound))
  const b = kept(await startPeer(internet.inside('worker2'), outbound))
  for (const peer of [a, b])
    await settled(peer, 'a place at the relay', ({ addresses }) => reserved(addresses))
  return { head, a, b }
}

const reserved = (addresses: readonly string[]): boolean => addresses[0]?.includes('/p2p-circuit/') === true

async function settled(peer: RemotePeer, what: string, enough: (look: Look) => boolean): Promise<Look> {
  return await until(what, waitMs, async () => {
    const look = await peer.look()
    return enough(look) && look
  })
}

const linksTo = ({ connections }: Look, peer: RemotePeer): readonly boolean[] =>
  connections.filter((connection) => connection.peer === peer.self).map(({ direct }) => direct)

/** A fetches from B, and both hear each other's gossip. */
async function trade(a: RemotePeer, b: RemotePeer, text: string): Promise<void> {
  await b.order({ do: 'serve', length: blockBytes })
  expect(await a.order({ do: 'fetch', peer: b.self, length: blockBytes })).toMatchObject({
    length: blockBytes,
  })
  for (const [speaker, hearer] of [
    [a, b],
    [b, a],
  ] as const) {
    await speaker.order({ do: 'publish', text })
    await settled(hearer, 'gossip', ({ heard }) => heard.includes(`${speaker.self} ${text}`))
  }
}

test.skipIf(missing !== undefined)(
  `two workers behind NATs meet at the head, trade through it, and then make a hole and trade directly${onInternet}`,
  { timeout: 120_000 },
  async () => {
    const { a, b } = await joined(false)
    const seen = await b.look()
    expect(seen.reachability).toBe('nat')
    expect(seen.observed).toEqual([
      expect.objectContaining({ observedHost: natHosts[1], localPort: seen.observed[0]!.observedPort }),
    ])
    // What a hole is made with is nothing to dial, so that nobody is told of it.
    expect(seen.addresses.join()).not.toContain(natHosts[1])
    await a.order({ do: 'dial', address: seen.addresses[0]! })
    await trade(a, b, 'relayed')
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const)
      await settled(one, 'one direct connection', (look) => linksTo(look, other).join() === 'true')
    await trade(a, b, 'direct')
  },
)

test.skipIf(missing !== undefined)(
  `behind NATs that give every connection another port, the relay remains the way${onInternet}`,
  { timeout: 120_000 },
  async () => {
    const { a, b } = await joined(true)
    const [address] = (await b.look()).addresses
    await a.order({ do: 'dial', address: address! })
    await trade(a, b, 'relayed')
    expect(linksTo(await a.look(), b)).toEqual([false])
  },
)

test.skipIf(missing !== undefined)(
  `a run trains with \`murmur start\` on hosts that only the head’s address joins${onInternet}`,
  { timeout: 150_000 },
  async () => {
    const home = await mkdtemp(path.join(tmpdir(), 'murmur-nat-'))
    ends.push({ [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }) })
    const internet = kept(await createSmallInternet({ random: false }))
    const folder = (name: string): string => path.join(home, name)
    const listen = `/ip4/${headHost}/tcp/4101`
    const headOptions = ['--home', folder('head'), '--listen', listen, '--api-port', '0']
    const head = kept(murmurIn(internet.inside('head'), 'start', '--head', ...headOptions))
    const ready = await until('the head', waitMs, () => readReady(folder('head')), head.said)
    const workers = (['worker1', 'worker2'] as const).map((host) => {
      const options = ['--home', folder(host), '--no-pay', '--address', ready.addresses[0]!]
      return kept(murmurIn(internet.inside(host), 'start', ...options))
    })
    const [first, second] = workers
    for (const worker of workers)
      await until('a place at the head', waitMs, () => worker.said().includes('RELAYED'), worker.said)

    const { data, ...file } = await tinyRunFile(home, { workers: { min: 2 } })
    await writeFile(folder('run.yaml'), JSON.stringify({ ...file, data }))
    const run = kept(
      murmurIn(internet.inside('head'), 'run', folder('run.yaml'), '--home', folder('head'), '--json'),
    )
    const log = (): string =>
      [head, first!, second!, run].map((one) => one.said().slice(-4000)).join('\n---\n')
    expect(await run.ended, log()).toBe(0)
    const { phase, stateRootsEqual, rounds }: RunSummary = JSON.parse(run.stdout())
    expect({ phase, stateRootsEqual }, log()).toEqual({ phase: 'finished', stateRootsEqual: true })
    // Each had the other's contribution, which no head carries as its own.
    expect(rounds.map(({ admitted }) => admitted.length)).toEqual([2, 2, 2, 2])
  },
)
