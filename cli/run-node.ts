import { errorText } from '../protocol/errors.ts'
import { asMurmurError } from './failure.ts'
import { configureLog, type LogFormat, log } from './log.ts'
import { forgetNode, recordNode, takeRole } from './node-registry.ts'
import type { StartOptions } from './start-options.ts'
import { untilStopped } from './until-stopped.ts'

export interface NodePlace {
  readonly home: string
  /** `head`, or the name of a worker. */
  readonly role: string
}

export interface NodeLife {
  /** Aborts when this process is asked to end. */
  readonly stopping: AbortSignal
  /** To be called once the node is of use: it is recorded. */
  ready(): Promise<void>
}

/**
 * One node's life in this process: takes its role in the home, where `murmur stop` finds it, logs where it was told to,
 * and at its end leaves nothing behind that says that it runs.
 * @param read makes settings of the options: what is wrong with those is told to who typed them, not to the log
 * @throws what `read` and `live` throw; HEAD_RUNNING, WORKER_RUNNING
 */
export async function runNode<Settings>(
  { home, role }: NodePlace,
  options: Pick<StartOptions, 'logFile'> & { readonly logFormat?: LogFormat },
  read: () => Promise<Settings>,
  live: (settings: Settings, life: NodeLife) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController()
  void untilStopped().then(() => stopping.abort(new Error('asked to end')))
  await takeRole(home, role)
  let ready = false
  try {
    const settings = await read()
    configureLog({ format: options.logFormat, file: options.logFile })
    await live(settings, {
      stopping: stopping.signal,
      ready: async () => {
        if (ready) return
        ready = true
        await recordNode(home, role, { state: 'ready' })
      },
    })
  } catch (error) {
    const { code, message, next, exit } = asMurmurError(error)
    // Whoever started it in the background is still waiting, and reads why it ended.
    if (options.logFile !== undefined && !ready)
      await recordNode(home, role, { state: 'failed', failure: { code, message, next, exit } }).catch(
        (cause: unknown) => log('RECORD_FAILED', errorText(cause)),
      )
    else await forgetNode(home, role, process.pid)
    throw error
  }
  await forgetNode(home, role, process.pid)
}
