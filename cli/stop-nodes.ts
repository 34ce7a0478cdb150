import { endNodes } from './end-nodes.ts'
import { homeFolder } from './home.ts'
import { runningNodes } from './node-registry.ts'

/** Ends every node of a home, however it was started. Ending none is no error. */
export async function stopNodes(options: { readonly home?: string; readonly json?: boolean }): Promise<void> {
  const home = homeFolder(options.home)
  const nodes = await runningNodes(home)
  if (nodes.length > 0)
    process.stderr.write(`stopping ${nodes.map(({ role, pid }) => `${role} (${pid})`).join(', ')} …\n`)
  const stopped = await endNodes(home, nodes, ({ role, killed }) => {
    process.stderr.write(killed ? `${role} did not end in time and was killed\n` : `${role} has ended\n`)
  })
  if (options.json === true) process.stdout.write(`${JSON.stringify({ stopped })}\n`)
  else if (stopped.length === 0) process.stdout.write('nothing was running\n')
  else process.stdout.write(`stopped ${stopped.length} ${stopped.length === 1 ? 'node' : 'nodes'}\n`)
}
