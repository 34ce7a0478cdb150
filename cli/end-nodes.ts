import { setTimeout as sleep } from 'node:timers/promises'
import { forgetNode, isRunning, type NodeRecord } from './node-registry.ts'

/** How long nodes may take to end by themselves: a head stops its chain, which writes its state. */
const stopTimeoutMs = 20_000
/** The kernel ends a killed process at once, but for one that waits for a disk. */
const killTimeoutMs = 2_000
const pollMs = 50

export interface EndedNode {
  readonly role: string
  readonly pid: number
  /** It did not end by itself in time. */
  readonly killed: boolean
}

/**
 * Asks nodes to end, workers first so that each can take leave of the head, and kills those that do not. Only processes
 * that are still the recorded ones are touched.
 */
export async function endNodes(
  home: string,
  nodes: readonly NodeRecord[],
  onEnd: (node: EndedNode) => void = () => {},
  timeoutMs = stopTimeoutMs,
): Promise<readonly EndedNode[]> {
  const workers = nodes.filter(({ role }) => role !== 'head')
  const heads = nodes.filter(({ role }) => role === 'head')
  const ended: EndedNode[] = []
  for (const group of [workers, heads]) {
    ended.push(
      ...(await Promise.all(
        group.map(async (node) => {
          const killed = await endNode(node, timeoutMs)
          await forgetNode(home, node.role, node.pid)
          const { role, pid } = node
          onEnd({ role, pid, killed })
          return { role, pid, killed }
        }),
      )),
    )
  }
  return ended
}

/** Whether it had to be killed. */
async function endNode(node: NodeRecord, timeoutMs: number): Promise<boolean> {
  if (!(await isRunning(node))) return false
  signalProcess(node.pid, 'SIGTERM')
  if (await isGone(node, timeoutMs)) return false
  signalProcess(node.pid, 'SIGKILL')
  await isGone(node, killTimeoutMs)
  return true
}

async function isGone(node: NodeRecord, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (await isRunning(node)) {
    if (performance.now() > deadline) return false
    await sleep(pollMs)
  }
  return true
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Already gone.
  }
}
