/** Runs `work` until it is done, or until Ctrl-C or SIGTERM: for commands that only look, which is no failure. */
export async function watching(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  try {
    await work(ended.signal)
  } finally {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  }
}
