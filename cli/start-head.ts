import { detachNode } from './detach-node.ts'
import { homeFolder, requireReady } from './home.ts'
import type { LogFormat } from './log.ts'
import { runNode } from './run-node.ts'
import type { StartOptions } from './start-options.ts'

/**
 * `murmur start --head`: until it is asked to stop, or with --detach until it is ready. Who only starts another process
 * loads nothing that takes time: that one reads the rest of the options, and tells what is wrong with them.
 */
export async function startHeadNode(options: StartOptions, logFormat: LogFormat | undefined): Promise<void> {
  const home = homeFolder(options.home)
  if (options.detach === true) {
    return await detachNode({ home, role: 'head' }, options, async () => {
      const { addresses } = await requireReady(home)
      const token = options.token === undefined ? '' : ' --token <token>'
      return { addresses, join: `murmur start --address ${addresses[0]}${token}` }
    })
  }
  const read = async () => await (await import('./head-settings.ts')).headSettings(options)
  await runNode({ home, role: 'head' }, { ...options, logFormat }, read, async (settings, life) => {
    const { startHead } = await import('./head-process.ts')
    const head = await startHead({ home, ...settings })
    try {
      await life.ready()
      await aborted(life.stopping)
    } finally {
      await head.stop()
    }
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
