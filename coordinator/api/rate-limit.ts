import type { Clock } from '../../protocol/ports.ts'

export interface RateLimitOptions {
  /** Requests that may come at once. */
  readonly burst: number
  readonly perSecond: number
}

/** Token buckets by name; the names are of the head's own making (ids of its API tokens), so that there are few. */
export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #clock: Clock
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(options: RateLimitOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  /** Takes one; 0 when there was one, otherwise the seconds until there is. */
  take(name: string): number {
    const { burst, perSecond } = this.#options
    const now = this.#clock.now()
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs: now }
    // A clock set back gives nothing and takes nothing.
    const earned = (Math.max(0, now - bucket.atMs) / 1000) * perSecond
    const tokens = Math.min(burst, bucket.tokens + earned)
    this.#buckets.set(name, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: now })
    return tokens < 1 ? (1 - tokens) / perSecond : 0
  }

  forget(name: string): void {
    this.#buckets.delete(name)
  }
}
