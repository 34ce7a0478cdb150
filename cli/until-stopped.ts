/**
 * Resolves when this process is asked to stop: SIGINT, SIGTERM, or the parent that launched it is gone. A second
 * SIGINT ends the process at once.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const stop = () => {
      if (asked) process.exit(130)
      asked = true
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', () => {
      asked = true
      resolve()
    })
    if (process.channel) process.once('disconnect', () => resolve())
  })
}
