/** Lets at most `places` through at a time; others wait in order, until their signal says not to. */
export interface Turnstile {
  /** Resolves to the function that gives the place back (harmless when called twice). Rejects when aborted. */
  enter(signal: AbortSignal): Promise<() => void>
}

export function createTurnstile(places: number): Turnstile {
  let free = places
  const line = new Set<() => void>()
  const leave = (): (() => void) => {
    let left = false
    return () => {
      if (left) return
      left = true
      const next = line.values().next().value
      if (next === undefined) free++
      else {
        line.delete(next)
        next()
      }
    }
  }
  return {
    async enter(signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return leave()
      }
      await new Promise<void>((resolve, reject) => {
        const give = (): void => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        }
        const giveUp = (): void => {
          line.delete(give)
          reject(signal.reason)
        }
        line.add(give)
        signal.addEventListener('abort', giveUp, { once: true })
      })
      return leave()
    },
  }
}
