import { interruptible } from './interruptible.ts'
import { forgetNode, refuseTakenRole } from './node-registry.ts'
import type { NodePlace } from './run-node.ts'
import { logFileOf, spawnNode, untilNode } from './spawn-node.ts'
import type { StartOptions } from './start-options.ts'

/**
 * Starts this very command again in the background, waits until the node is ready, and tells where it is.
 * @param facts what else is told of a node that is ready
 * @throws what ended the node; HEAD_RUNNING, WORKER_RUNNING, NODE_DIED, NODE_NOT_READY
 */
export async function detachNode(
  { home, role }: NodePlace,
  options: Pick<StartOptions, 'json' | 'logFile'>,
  facts: () => Promise<Readonly<Record<string, string | readonly string[]>>>,
): Promise<void> {
  await refuseTakenRole(home, role)
  const args = process.argv.slice(2).filter((arg) => arg !== '--detach' && arg !== '--json')
  const node = { home, role, args: [...args, '--home', home], detached: true, logFile: options.logFile }
  const told = await interruptible('run it again; nothing was left running', async (signal) => {
    const child = spawnNode(node)
    try {
      const { pid } = await untilNode(node, child, 'ready', signal)
      return { role, pid, log: options.logFile ?? logFileOf(home, role), ...(await facts()) }
    } catch (error) {
      child.kill('SIGTERM')
      await forgetNode(home, role, child.pid!)
      throw error
    }
  })
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(told)}\n`)
    return
  }
  process.stderr.write(`${role} runs in the background; \`murmur stop\` ends it\n`)
  const width = Math.max(...Object.keys(told).map((key) => key.length))
  for (const [key, value] of Object.entries(told))
    process.stdout.write(`${key.padEnd(width)}  ${Array.isArray(value) ? value.join(' ') : value}\n`)
}
