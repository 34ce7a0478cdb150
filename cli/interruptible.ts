import { MurmurError } from '../protocol/errors.ts'
import { samePressMs } from './until-stopped.ts'

/**
 * Runs `work` with a signal that aborts on SIGINT or SIGTERM, with INTERRUPTED (exit 130) as its reason, so that it can
 * end what it has started. A second SIGINT ends the process at once.
 */
export async function interruptible<T>(next: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController()
  let since = Number.POSITIVE_INFINITY
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGINT' && performance.now() - since > samePressMs) process.exit(130)
    since = Math.min(since, performance.now())
    stopping.abort(
      new MurmurError('INTERRUPTED', { message: `interrupted by ${name}`, next, exit: 'interrupted' }),
    )
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await work(stopping.signal)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}
