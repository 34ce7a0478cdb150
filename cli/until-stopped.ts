/** npm passes on the SIGINT that a terminal has sent to everybody already: two so close together are one key press. */
export const samePressMs = 500

/**
 * Resolves when this process is asked to stop: SIGINT, SIGTERM, or the parent that launched it is gone. A second
 * SIGINT ends the process at once.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let since = Number.POSITIVE_INFINITY
    const stop = (name: NodeJS.Signals) => {
      if (name === 'SIGINT' && performance.now() - since > samePressMs) process.exit(130)
      since = Math.min(since, performance.now())
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    if (process.channel) process.once('disconnect', () => resolve())
  })
}
