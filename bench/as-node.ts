import { spawnSync } from 'node:child_process'
import { nodeEnvironment } from '../cli/spawn-node.ts'

/**
 * Runs the bench again in a process that is started as a node is, with memory that stays with it (cli/allocator.cjs), unless whoever
 * started this one has tuned the allocator: `GLIBC_TUNABLES= node bench/…` measures without.
 */
export function runAsNode(): void {
  if (process.env.GLIBC_TUNABLES !== undefined) return
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: nodeEnvironment(process.env),
    stdio: 'inherit',
  })
  process.exit(status ?? 1)
}
