import type { ChildProcess } from 'node:child_process'
import { MurmurError } from '../protocol/errors.ts'
import { endNodes } from './end-nodes.ts'
import { type HeadReady, readReady } from './home.ts'
import { type NodeRecord, readNodeRecord, runningNodes } from './node-registry.ts'
import { type NodeSpawn, spawnNode, untilNode } from './spawn-node.ts'

export interface ClusterLaunch {
  readonly home: string
  readonly workers: number
  /** Detached processes outlive the command; attached ones end with it, even when it is killed. */
  readonly detached: boolean
}

export interface Cluster {
  readonly ready: HeadReady
  readonly processes: readonly ClusterProcess[]
  /** Adds a worker to the cluster. */
  addWorker(): Promise<ClusterProcess>
  stop(): Promise<void>
}

export interface ClusterProcess {
  readonly role: string
  readonly pid: number
}

interface Launched {
  readonly node: NodeSpawn
  readonly child: ChildProcess
}

/**
 * Starts a local cluster as separate processes: a head with devnet, then workers that know nothing but its address.
 * @throws MurmurError CLUSTER_RUNNING, NODE_DIED, NODE_NOT_READY, and what ended the head
 */
export async function launchCluster(options: ClusterLaunch, signal: AbortSignal): Promise<Cluster> {
  const { home, workers, detached } = options
  if ((await runningNodes(home)).length > 0) {
    throw new MurmurError('CLUSTER_RUNNING', {
      message: `a cluster with its state in ${home} is running already`,
      next: 'stop it with `murmur down`, or choose another folder with --home',
    })
  }
  const launched: Launched[] = []
  const launch = (role: string, args: readonly string[]): Launched => {
    const node = { home, role, args: ['start', '--home', home, ...args], detached }
    const one = { node, child: spawnNode(node) }
    launched.push(one)
    return one
  }
  const stop = () => endLaunched(home, launched)
  try {
    const any = '/ip4/127.0.0.1/tcp/0'
    const head = launch('head', ['--head', '--devnet', '--listen', any, '--api-port', '0'])
    await untilNode(head.node, head.child, 'ready', signal)
    const ready = (await readReady(home))!
    const addWorker = async (): Promise<ClusterProcess> => {
      const index = launched.length
      const role = `worker-${index}`
      const address = ['--address', ready.addresses[0]!, '--listen', any]
      const { node, child } = launch(role, [...address, '--name', role, '--dev-account', String(9 + index)])
      // From here on `murmur stop` finds it, whatever becomes of this process.
      await untilNode(node, child, 'recorded', signal)
      return { role, pid: child.pid! }
    }
    await Promise.all(Array.from({ length: workers }, addWorker))
    return {
      ready,
      addWorker,
      stop,
      get processes() {
        return launched.map(({ node, child }) => ({ role: node.role, pid: child.pid! }))
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Ends what this process has started, also those that have not told anything yet. */
async function endLaunched(home: string, launched: readonly Launched[]): Promise<void> {
  const records: NodeRecord[] = []
  for (const { node, child } of launched) {
    const record = await readNodeRecord(home, node.role)
    if (record?.pid === child.pid) records.push(record!)
    else child.kill('SIGTERM')
  }
  await endNodes(home, records)
}
