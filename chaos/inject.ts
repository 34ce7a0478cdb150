import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosCluster, type ChaosHead, type ChaosWorker, chainName } from './cluster.ts'
import type { LinkFault } from './links.ts'
import type { Fault } from './plan.ts'

/** As a mobile line far from its mast. */
const slow: LinkFault = { kind: 'slow', delayMs: 300, bytesPerSecond: 128 * 1024 }
const corrupt: LinkFault = { kind: 'corrupt', pieces: 2 }

/** Does a fault to the cluster, and undoes it. Resolves when it is undone; says to whom it was done. */
export async function inject(fault: Fault, cluster: ChaosCluster): Promise<string> {
  const { links, names, heads, workers } = cluster
  const { kind, lengthMs } = fault
  const worker = fault.worker === null ? null : workers[fault.worker]!
  const onLinks = async (node: string, others: readonly string[], what: LinkFault) => {
    const heal = links.trouble(node, others, what)
    await sleep(lengthMs)
    heal()
    return node
  }
  switch (kind) {
    case 'kill-worker':
      await worker!.process.kill()
      await sleep(lengthMs)
      worker!.process.start()
      return worker!.name
    case 'pause-worker':
      return await pause(worker!, lengthMs)
    case 'isolate-worker':
      return await onLinks(worker!.name, names, { kind: 'cut' })
    case 'part-workers': {
      const { name } = workers[fault.other!]!
      await onLinks(worker!.name, [name], { kind: 'cut' })
      return `${worker!.name} ${name}`
    }
    case 'silence-worker':
      return await onLinks(
        worker!.name,
        heads.map(({ name }) => name),
        { kind: 'silent' },
      )
    case 'slow-worker':
      return await onLinks(worker!.name, names, slow)
    case 'corrupt-worker':
      return await onLinks(
        worker!.name,
        names.filter((name) => name !== chainName),
        corrupt,
      )
    case 'kill-leader':
      return await restart(cluster, [await leading(cluster)], 'kill', lengthMs)
    case 'pause-leader':
      return await pause(await leading(cluster), lengthMs)
    case 'kill-standby':
      return await restart(cluster, [await following(cluster)], 'kill', lengthMs)
    case 'restart-standby':
      return await restart(cluster, [await following(cluster)], 'stop', lengthMs)
    case 'part-heads':
      await onLinks(heads[0]!.name, [heads[1]!.name], { kind: 'cut' })
      return 'head-a head-b'
    case 'kill-heads':
      return await restart(cluster, heads, 'kill', lengthMs)
    case 'chain-away':
      return await onLinks(chainName, names, { kind: 'cut' })
    default:
      return kind satisfies never
  }
}

async function pause({ name, process }: ChaosHead | ChaosWorker, lengthMs: number): Promise<string> {
  process.pause()
  await sleep(lengthMs)
  process.resume()
  return name
}

async function restart(
  cluster: ChaosCluster,
  heads: readonly ChaosHead[],
  how: 'kill' | 'stop',
  downMs: number,
): Promise<string> {
  await Promise.all(heads.map(({ process }) => process[how]()))
  await sleep(downMs)
  for (const { process } of heads) process.start()
  await Promise.all(heads.map((head) => cluster.headReady(head)))
  return heads.map(({ name }) => name).join(' ')
}

const leaderTimeoutMs = 60_000

async function leading(cluster: ChaosCluster): Promise<ChaosHead> {
  const deadline = Date.now() + leaderTimeoutMs
  for (;;) {
    const leader = await cluster.leader()
    if (leader !== null) return leader.head
    if (Date.now() > deadline) throw new Error(`no head led for ${leaderTimeoutMs / 1000} s`)
    await sleep(200)
  }
}

async function following(cluster: ChaosCluster): Promise<ChaosHead> {
  const leader = await leading(cluster)
  return cluster.heads.find((head) => head !== leader)!
}
