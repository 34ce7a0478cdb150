import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from 'viem'
import { deployDevnet } from '../chain/deploy.ts'
import { devAccount, startDevnet } from '../chain/devnet.ts'
import type { ChainConfig } from '../chain/escrow.ts'
import { devRoles } from '../cli/accounts.ts'
import { type ApiClient, connectApi } from '../cli/api-client.ts'
import { readReady } from '../cli/home.ts'
import { openFrontDoor } from './front-door.ts'
import { Links } from './links.ts'
import { freePort, NodeProcess } from './node-process.ts'
import { socketOwner } from './socket-owner.ts'

export interface ChaosHead {
  readonly name: string
  readonly home: string
  readonly process: NodeProcess
}

export interface ChaosWorker {
  readonly name: string
  /** Where its key and blocks are. */
  readonly folder: string
  readonly account: ReturnType<typeof devAccount>
  readonly process: NodeProcess
}

/** Which head leads, as far as it can be asked. */
export interface Leader {
  readonly head: ChaosHead
  readonly term: number
  readonly api: ApiClient
}

export interface ChaosCluster extends AsyncDisposable {
  readonly links: Links
  readonly heads: readonly ChaosHead[]
  readonly workers: readonly ChaosWorker[]
  /** For this process: nobody disturbs its way to the chain. */
  readonly chain: ChainConfig
  /** All nodes, and the chain, by the names of their links. */
  readonly names: readonly string[]
  leader(): Promise<Leader | null>
  /** Resolves when that head's process serves its API. */
  headReady(head: ChaosHead): Promise<void>
  /** Ends all nodes, as an operator does; the chain goes on. */
  stopNodes(): Promise<void>
}

export const chainName = 'chain'
const token = 'chaos'
const readyTimeoutMs = 90_000

/**
 * A chain, a head, a standby and workers, each a process of its own, with a front door of ours before every one of them.
 * The chain is nobody's devnet: it outlives both heads.
 */
export async function startChaosCluster(home: string, workerCount: number): Promise<ChaosCluster> {
  await using started = new AsyncDisposableStack()
  const links = new Links()
  const processes: NodeProcess[] = []
  const pids = () =>
    new Map(processes.flatMap(({ spec, pid }) => (pid === undefined ? [] : [[spec.name, pid] as const])))
  const door = async (name: string, port: number) => {
    const opened = await openFrontDoor({ port }, async (from, to) =>
      links.between((await socketOwner(from, to, pids())) ?? 'outside', name),
    )
    started.use(opened)
    return opened.port
  }

  await mkdir(path.join(home, 'logs'), { recursive: true })
  const devnet = started.use(await startDevnet({ blockTimeSeconds: 1 }))
  const coordinator = devAccount(devRoles.coordinator)
  const chain = await deployDevnet(devnet, coordinator)
  const chainFile = path.join(home, 'chain.json')
  const accountKey = path.join(home, 'account.key')
  const doorToChain = `http://127.0.0.1:${await door(chainName, devnet.port)}`
  await writeFile(chainFile, JSON.stringify({ ...chain, rpcUrl: doorToChain }))
  await writeFile(accountKey, bytesToHex(coordinator.getHdKey().privateKey!), { mode: 0o600 })

  /** A node that listens on a port of its own, and tells others the port of its front door. */
  const node = async (name: string, args: readonly string[]) => {
    const port = await freePort()
    const announced = `/ip4/127.0.0.1/tcp/${await door(name, port)}`
    const listen = ['--listen', `/ip4/127.0.0.1/tcp/${port}`, '--announce', announced]
    const logFile = path.join(home, 'logs', `${name}.log`)
    const process = new NodeProcess({
      name,
      args: ['start', ...args, ...listen, '--token', token],
      logFile,
    })
    processes.push(process)
    return { process, announced }
  }
  const head = async (name: string, args: readonly string[]) => {
    const folder = path.join(home, name)
    const paying = ['--chain', chainFile, '--account-key', accountKey, '--head-token', token]
    const made = await node(name, ['--head', '--home', folder, '--api-port', '0', ...paying, ...args])
    return { ...made, head: { name, home: folder, process: made.process } satisfies ChaosHead }
  }
  const first = await head('head-a', [])
  const second = await head('head-b', ['--standby', '--address', first.announced])
  const heads = [first.head, second.head]
  const workersHome = path.join(home, 'workers')
  const workers: ChaosWorker[] = []
  for (let index = 0; index < workerCount; index++) {
    const name = `w${index + 1}`
    const account = devRoles.firstWorker + index
    const { process } = await node(name, [
      ...['--address', `${first.announced},${second.announced}`],
      ...['--home', workersHome, '--name', name, '--dev-account', String(account)],
    ])
    workers.push({ name, folder: path.join(workersHome, name), account: devAccount(account), process })
  }

  const headReady = async ({ name, home: folder, process }: ChaosHead): Promise<void> => {
    const deadline = Date.now() + readyTimeoutMs
    while ((await readReady(folder))?.pid !== process.pid) {
      if (process.pid === undefined) throw new Error(`${name} ended at its start: see its log`)
      if (Date.now() > deadline) throw new Error(`${name} was not ready within ${readyTimeoutMs / 1000} s`)
      await sleep(50)
    }
  }
  const stopNodes = async () => {
    for (const { process } of [...workers, ...heads]) process.resume()
    await Promise.all(workers.map(({ process }) => process.stop()))
    await Promise.all(heads.map(({ process }) => process.stop()))
  }
  started.defer(stopNodes)

  for (const { head: one } of [first, second]) {
    one.process.start()
    await headReady(one)
  }
  for (const { process } of workers) process.start()
  const stack = started.move()
  return {
    links,
    heads,
    workers,
    chain,
    names: [chainName, ...processes.map(({ spec }) => spec.name)],
    leader: async () => {
      const asked = await Promise.all(heads.map(askWhetherItLeads))
      return asked.filter((found) => found !== null).sort((a, b) => b.term - a.term)[0] ?? null
    },
    headReady,
    stopNodes,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const askTimeoutMs = 3_000

/** A head that is paused does not answer, one that is killed cannot. */
async function askWhetherItLeads(head: ChaosHead): Promise<Leader | null> {
  if (head.process.pid === undefined) return null
  try {
    const api = await connectApi(head.home)
    const status = await Promise.race([api.status(), sleep(askTimeoutMs, null)])
    if (status === null || !status.heads.some(({ id, leads }) => leads && id === status.head)) return null
    return { head, term: status.term, api }
  } catch {
    return null
  }
}
