import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { LocalAccount } from 'viem'
import { vi } from 'vitest'
import { deployDevnet, mintDevTokens } from '../chain/deploy.ts'
import { devAccount, startDevnet } from '../chain/devnet.ts'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import { openStore, type Store } from '../checkpoints/store.ts'
import { devRoles } from '../cli/accounts.ts'
import { type ApiClient, connectApi } from '../cli/api-client.ts'
import { startHead } from '../cli/head-process.ts'
import { workerFolder } from '../cli/home.ts'
import { prepareRun, submitRun } from '../cli/submit.ts'
import { createKey } from '../network/identity.ts'
import { createNetwork } from '../network/node.ts'
import type { RunId, WorkerId } from '../protocol/ids.ts'
import type { Network } from '../protocol/ports.ts'
import type { RunReport } from '../protocol/report.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { WorkerNode } from '../worker/node.ts'
import type { trainRound } from '../worker/train-round.ts'
import { until } from './until.ts'

const listen = ['/ip4/127.0.0.1/tcp/0']
/** Far above what any of these runs takes, and a test around it, on a busy host. */
const runTimeoutMs = 75_000
export const patient = { timeout: 120_000 }
const over = new Set<RunReport['phase']>(['finished', 'stopped', 'failed'])

/** What makes a worker other than an honest one. */
export interface Tampering {
  readonly train?: typeof trainRound
  readonly network?: (network: Network) => Network
}

export interface ClusterWorker {
  readonly id: WorkerId
  readonly account: LocalAccount
  readonly store: Store
  /** Codes of what it logged, oldest first. */
  readonly logged: readonly string[]
}

type Found<T> = Exclude<T, undefined | null | false>

export interface Cluster extends AsyncDisposable {
  readonly home: string
  readonly api: ApiClient
  /** Null where runs are unpaid. */
  readonly chain: ChainConfig | null
  addWorker(tampering?: Tampering): Promise<ClusterWorker>
  /** Submits a run and, where it pays, funds it with `extraWei` more than it needs. */
  submit(file: RunFile, extraWei?: bigint): Promise<RunId>
  /** Waits until something holds of the run's report, and gives that. */
  watch<T>(run: RunId, what: string, look: (report: RunReport) => T | Promise<T>): Promise<Found<T>>
  /** The last report of a run, once it is over and every worker has claimed. */
  finished(run: RunId): Promise<RunReport>
  /** What the head and the workers have logged so far. */
  log(): string
  /** Ends every node; the state folder stays until the cluster is disposed of. */
  close(): Promise<void>
}

/**
 * A cluster within this process, of the same parts as one of many: a head as `murmur start --head` wires it, and
 * workers with a libp2p node, an IPFS store and an engine of their own each.
 */
export async function startCluster({ paid }: { readonly paid: boolean }): Promise<Cluster> {
  const home = await mkdtemp(path.join(tmpdir(), 'murmur-cluster-'))
  const lines: string[] = []
  // The head's log is for the reader of a failure only.
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    lines.push(String(line).trimEnd())
    return true
  })
  const endings: (() => Promise<unknown>)[] = [async () => stderr.mockRestore()]
  const close = async () => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    const chain = paid ? await startChain(endings) : null
    const head = await startHead({ home, listen, apiPort: 0, token: '', devnet: false, chain })
    endings.push(() => head.stop())
    const api = await connectApi(home)
    let workers = 0
    const watch: Cluster['watch'] = (run, what, look) =>
      until(
        what,
        runTimeoutMs,
        async () => {
          const report = await api.report(run)
          return report === null ? undefined : await look(report)
        },
        () => lines.slice(-60).join('\n'),
      )
    return {
      home,
      api,
      chain: chain?.config ?? null,
      watch,
      close,
      log: () => lines.join('\n'),
      addWorker: async (tampering = {}) => {
        const account = devAccount(devRoles.firstWorker + workers)
        const name = `worker-${++workers}`
        const log = (text: string) => lines.push(`${name} ${text}`)
        const folder = workerFolder(home, name)
        const { worker, stop } = await startWorker(folder, head.ready.addresses, account, tampering, log)
        endings.push(stop)
        return worker
      },
      submit: async (file, extraWei = 0n) => {
        const prepared = await prepareRun(file, 'test')
        await submitRun(api, prepared)
        if (chain !== null) {
          const escrow = connectEscrow(chain.config, devAccount(devRoles.firstFunder))
          const open = await watch(
            prepared.run,
            'the escrow to be open',
            async ({ phase, escrow: place }) => {
              if (phase !== 'awaiting-funds' || place === null) return false
              return await escrow.run(place.run).then(
                () => place,
                () => false as const,
              )
            },
          )
          const amount = BigInt(open.required) + extraWei
          await mintDevTokens(chain.config, devAccount(devRoles.minter), escrow.account!, amount)
          await escrow.fund(open.run, amount)
        }
        return prepared.run
      },
      finished: async (run) => {
        await watch(run, 'the run to be over', ({ phase }) => over.has(phase))
        return await watch(
          run,
          'every worker to have claimed',
          (last) => last.workers.every(({ earned, claimed }) => earned === claimed) && last,
        )
      },
      [Symbol.asyncDispose]: async () => {
        await close()
        await rm(home, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function startChain(endings: (() => Promise<unknown>)[]) {
  const devnet = await startDevnet({ blockTimeSeconds: 0.25 })
  endings.push(() => devnet.stop())
  const account = devAccount(devRoles.coordinator)
  return { config: await deployDevnet(devnet, account), account }
}

async function startWorker(
  folder: string,
  addresses: readonly string[],
  account: LocalAccount,
  tampering: Tampering,
  log: (text: string) => void,
) {
  const clock = { now: () => Date.now() }
  const logged: string[] = []
  const network = await createNetwork(
    { privateKey: await createKey(), listen },
    { clock, onFault: (fault) => log(`NETWORK_FAULT ${fault}`) },
  )
  const store = await openStore(folder, { libp2p: network.libp2p, clock })
  const node = new WorkerNode(
    { addresses, token: '', payout: { account }, agent: 'murmur/test' },
    {
      network: tampering.network?.(network) ?? network,
      store,
      kept: await store.kept(),
      engine: ortCpuEngine(),
      clock,
      log: (code, text) => {
        logged.push(code)
        log(`${code} ${text}`)
      },
      train: tampering.train,
    },
  )
  const life = node.live().catch((error: unknown) => log(`DIED ${error}`))
  return {
    worker: { id: network.self, account, store, logged },
    stop: async () => {
      await node.stop()
      await life
      await store.close()
      await network.stop()
    },
  }
}
