import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { LocalAccount } from 'viem'
import { StakeAdmission } from '../chain/admission.ts'
import { devAccount } from '../chain/devnet.ts'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import { connectStake } from '../chain/stake.ts'
import type { FetchBlock } from '../checkpoints/fetch.ts'
import { openStore, type Store } from '../checkpoints/store.ts'
import { type Api, serveApi } from '../coordinator/api/serve.ts'
import { EventFeed } from '../coordinator/events.ts'
import { Head, type HeadOptions } from '../coordinator/head.ts'
import { HeadNode } from '../coordinator/head-node.ts'
import { HeadSwitch } from '../coordinator/head-switch.ts'
import { Journal } from '../coordinator/journal/journal.ts'
import { type LogFile, openLogFile } from '../coordinator/journal/log-file.ts'
import { Mirror } from '../coordinator/journal/mirror.ts'
import { HeadMetrics } from '../coordinator/metrics/head-metrics.ts'
import { RunMetrics } from '../coordinator/metrics/run-metrics.ts'
import { type OpenRunDependencies, ownOrFetched } from '../coordinator/open-run.ts'
import { unlimited } from '../coordinator/placement/views.ts'
import { reachableBlocks } from '../coordinator/reachable-blocks.ts'
import { recover } from '../coordinator/recovery.ts'
import { openRunArchive, type RunArchive } from '../coordinator/run-archive.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'
import { createRequestPace } from '../network/request-pace.ts'
import { errorText, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Wei } from '../protocol/ids.ts'
import type { ClusterReport } from '../protocol/report.ts'
import { Auditor } from '../verification/auditor.ts'
import { threadedEngine } from '../worker/engine/threaded-engine.ts'
import { loadRunContext } from '../worker/run-context.ts'
import { devRoles } from './accounts.ts'
import { apiToken, type HeadReady, headFolder, headToken, readReady, writeReady } from './home.ts'
import { homeDevnet } from './home-devnet.ts'
import { log } from './log.ts'
import { logNuisance } from './log-nuisance.ts'
import { readyKernels } from './ready-kernels.ts'
import { version } from './version.ts'

export interface HeadProcessOptions {
  readonly home: string
  readonly listen: readonly string[]
  /** What others are told to dial, where that is not where it listens. */
  readonly announce?: readonly string[]
  readonly apiPort: number
  readonly token: string
  /** What heads present to each other; that of this home unless told. */
  readonly headToken?: string
  readonly devnet: boolean
  readonly chain: { readonly config: ChainConfig; readonly account: LocalAccount } | null
  /** Addresses of the heads to follow; null for one that leads from the start. */
  readonly standbyOf?: readonly string[] | null
  /** Whether it relays for workers that cannot be dialled. */
  readonly relay?: boolean
  /** Lets workers in without the token who have staked this much. */
  readonly minStakeWei?: Wei | null
}

export interface HeadProcess {
  readonly ready: HeadReady
  stop(): Promise<void>
}

/** Wires a head: network, embedded IPFS, chain, journal, engine for audits, API. Everything started here is stopped by `stop`. */
export async function startHead(options: HeadProcessOptions): Promise<HeadProcess> {
  const { home, listen, announce, apiPort, token, standbyOf = null, relay = true } = options
  const folder = headFolder(home)
  const clock = { now: () => Date.now() }
  const started: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const end of started.splice(0).reverse())
      await end().catch((error: unknown) => log('STOP_FAILED', errorText(error)))
  }
  await refuseSecondHead(home)
  await readyKernels()
  try {
    const { chain, isDevnet } = await chainOf(options, started)
    const events = new EventFeed(clock)
    const metrics = {
      head: new HeadMetrics(events),
      runs: new RunMetrics({ folder: path.join(folder, 'metrics') }, { events, clock, log }),
    }
    started.push(async () => {
      metrics.head.close()
      await metrics.runs.close()
    })
    const file = await openLogFile(path.join(folder, 'journal.log'))
    const opened = await Journal.open(timed(file, metrics.head), { onFatal: (error) => dieOf(error) })
    const { journal, records } = opened
    started.push(() => journal.close())
    if (options.chain !== null) await checkChain(options.chain, records.length > 0)
    if (opened.cutBytes > 0) log('JOURNAL_CUT', `${opened.cutBytes} bytes of a write that was never finished`)
    const network = await createNetwork(
      {
        privateKey: await loadOrCreateKey(folder),
        listen,
        announce,
        agent: `murmur/${version}`,
        ...(relay ? { relay: { serve: true } } : {}),
      },
      {
        clock,
        onFault: (fault) => log('NETWORK_FAULT', errorText(fault)),
        onNuisance: logNuisance,
      },
    )
    started.push(() => network.stop())
    const store = await openStore(folder, { libp2p: network.libp2p, clock })
    started.push(() => store.close())
    network.serveBlocks({ get: (cid) => store.blocks.get(cid) })

    const startedAt = clock.now()
    const control = new HeadSwitch(events, () =>
      standbyReport(network, node, startedAt, chain?.config ?? null),
    )
    const archive = await openRunArchive(path.join(folder, 'runs'))
    const headOptions: HeadOptions = {
      token,
      version,
      stake: stakeOf(chain?.config ?? null, options.minStakeWei ?? null, clock),
      quotas: unlimited,
    }
    const mirror = mirrorOf(network, store, archive)
    // What a crash kept it from fetching.
    for (const record of records) mirror.offer(record)
    started.push(() => mirror.stop())
    const node: HeadNode = new HeadNode(
      {
        token: await headToken(home, options.headToken),
        join: standbyOf ?? [],
        incarnation: new Uint8Array(randomBytes(16)),
      },
      {
        network,
        clock,
        journal,
        records,
        // Each paid run has a lease of its own on chain, taken when a head begins to lead it (coordinator/run.ts).
        chainLease: null,
        pace: createRequestPace({ clock, onNuisance: logNuisance }),
        createLeader: async (led, term, heads, { deposed }) => {
          const recovered = { ...recover(led), heads }
          if (led.filter((record) => record.kind === 'term').length > 1) metrics.head.failedOver()
          const head = new Head(
            headOptions,
            {
              ...{ network, store, clock, journal, chain, archive, events, log, deposed },
              createAuditor: auditorsOf(network, store),
            },
            recovered,
            term,
          )
          await head.start(recovered)
          control.head = head
          return {
            answer: (peer, request) => head.answer(peer, request),
            headsChanged: (changed) => head.headsChanged(changed),
            stop: async () => {
              control.head = null
              await head.stop()
            },
          }
        },
        onRecord: (record) => mirror.offer(record),
        onFatal: (error) => dieOf(error),
        log,
      },
    )
    control.attach(node)
    node.start()
    started.push(() => node.stop())
    if (standbyOf === null) await leading(control, node)
    const api: Api = await serveApi(
      { port: apiPort, token: await apiToken(home), folder },
      { head: control, blocks: reachableBlocks(store.blocks, network), metrics, clock, log },
    )
    started.push(() => api.close())
    const ready: HeadReady = {
      pid: process.pid,
      apiUrl: api.url,
      addresses: network.addresses(),
      chain: chain?.config ?? null,
      devnet: isDevnet,
    }
    await writeReady(home, ready)
    started.push(() => rm(path.join(folder, 'ready.json'), { force: true }))
    log('HEAD_READY', `API ${api.url}, join with: murmur start --address ${network.addresses()[0]}`)
    return { ready, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Tells how long the disk takes: everything that a head says waits for it. */
const timed = (file: LogFile, metrics: HeadMetrics): LogFile => ({
  ...file,
  sync: async () => {
    const begun = performance.now()
    await file.sync()
    metrics.logSynced((performance.now() - begun) / 1000)
  },
})

const leadTimeoutMs = 30_000

/** A head without others leads as soon as its journal is read; one that had standbys asks them first, and may have to follow. */
async function leading(control: HeadSwitch, node: HeadNode): Promise<void> {
  const deadline = Date.now() + leadTimeoutMs
  while (control.head === null && node.status.role !== 'following' && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

/** A head that cannot write its journal, or not lead although it should, must not go on. */
function dieOf(error: unknown): void {
  log('HEAD_FAILED', errorText(error))
  process.exitCode = 1
  setImmediate(() => process.exit(1))
}

async function chainOf(options: HeadProcessOptions, started: (() => Promise<void>)[]) {
  if (!options.devnet) return { chain: options.chain, isDevnet: false }
  const account = devAccount(devRoles.coordinator)
  const devnet = await homeDevnet(options.home, account)
  started.push(() => devnet.stop())
  const chain = { config: devnet.config, account }
  log('DEVNET', `${chain.config.rpcUrl}, escrow ${chain.config.escrow}`)
  return { chain, isDevnet: true }
}

function stakeOf(
  config: ChainConfig | null,
  minWei: Wei | null,
  clock: { now(): number },
): HeadOptions['stake'] {
  if (minWei === null) return null
  if (config?.stake === undefined) {
    throw new MurmurError('STAKE_UNKNOWN', {
      message: 'workers cannot be admitted by stake: the chain has no stake contract that this head knows of',
      next: 'name it as `stake` in the --chain file, or start with --devnet',
      exit: 'usage',
    })
  }
  return { admission: new StakeAdmission(connectStake(config), clock), minWei }
}

/** Programs are executed for audits and measurements, on an engine thread of their own. */
function auditorsOf(network: Libp2pNetwork, store: Store): OpenRunDependencies['createAuditor'] {
  const engine = threadedEngine('ort-cpu')
  return async (run, facts) => {
    const context = await loadRunContext(run, (cid, maxBytes) =>
      ownOrFetched(cid, maxBytes, { store, network }),
    )
    return new Auditor({ ...facts, context, engine, network, blocks: store.blocks })
  }
}

/** A standby keeps what it would need to lead: from the leader while that is there, and from workers. */
function mirrorOf(network: Libp2pNetwork, store: Store, archive: RunArchive): Mirror {
  const fetch: FetchBlock = (cid, maxBytes, signal) =>
    network.fetchBlock(network.connectedPeers(), cid, { signal, maxBytes })
  return new Mirror({
    blocks: store.blocks,
    fetch,
    fetchCheckpoint: async (cid, signal) => void (await store.fetchCheckpoint(cid, fetch, signal)),
    keepReport: (run, bytes) => archive.keepWritten(run, bytes),
    log,
  })
}

function standbyReport(
  network: Libp2pNetwork,
  node: HeadNode,
  startedAt: number,
  chain: ChainConfig | null,
): ClusterReport {
  const { term, heads } = node.status
  return {
    head: network.self,
    version,
    addresses: network.addresses(),
    startedAt,
    term,
    heads: heads.map(({ id, addresses }, index) => ({ id, addresses, leads: index === term % 8 })),
    nodes: [],
    runs: [],
    chain,
  }
}

/** Two heads with one folder would share a key and a store, and each would overwrite what the other says of itself. */
async function refuseSecondHead(home: string): Promise<void> {
  const running = await readReady(home)
  if (running === undefined || running.pid === process.pid) return
  // After a crash, the process id may be somebody else's by now: the API tells.
  const answers = await fetch(running.apiUrl, { signal: AbortSignal.timeout(2_000) }).then(
    () => true,
    () => false,
  )
  if (!answers) return
  throw new MurmurError('HEAD_RUNNING', {
    message: `a head with its state in ${home} is running already, as process ${running.pid}`,
    next: 'stop it with `murmur down` or Ctrl-C, or choose another folder with --home',
  })
}

/**
 * A head that cannot pay says so at its first start: RPC_UNREACHABLE, WRONG_CHAIN, ESCROW_MISSING. One that has been a
 * head before is needed by its workers, and goes on without a chain that is away: what it owes waits in its journal.
 */
async function checkChain(
  { config, account }: NonNullable<HeadProcessOptions['chain']>,
  hasHistory: boolean,
): Promise<void> {
  const escrow = connectEscrow(config, account)
  try {
    await escrow.balanceOf(account.address)
    await escrow.accounting(`0x${'00'.repeat(32)}`)
  } catch (error) {
    // The escrow refuses the unknown run: so it is there.
    if (isMurmurError(error, 'TX_REVERTED')) return
    if (!hasHistory || !isMurmurError(error, 'RPC_UNREACHABLE')) throw error
    log(error.code, `${error.message}; going on without it for now`)
  }
}
