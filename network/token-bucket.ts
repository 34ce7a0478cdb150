import type { Clock } from '../protocol/ports.ts'

export interface TokenBucketOptions {
  /** Tokens that can be saved up. */
  readonly burst: number
  readonly perSecond: number
  /** Names remembered; the one that took a token longest ago is forgotten, which at worst refills it. */
  readonly names: number
}

/** A token bucket for each name, from outside or not. */
export interface TokenBuckets {
  /** Whether `name` has a token, without taking it. */
  has(name: string): boolean
  /** Takes a token; false when there is none. */
  take(name: string): boolean
}

export function createTokenBuckets(options: TokenBucketOptions, clock: Clock): TokenBuckets {
  const buckets = new Map<string, { tokens: number; at: number }>()
  const tokensOf = (name: string, now: number): number => {
    const bucket = buckets.get(name)
    if (bucket === undefined) return options.burst
    // A clock set back gives nothing and takes nothing.
    const elapsedSeconds = Math.max(0, now - bucket.at) / 1000
    return Math.min(options.burst, bucket.tokens + elapsedSeconds * options.perSecond)
  }
  return {
    has: (name) => tokensOf(name, clock.now()) >= 1,
    take(name) {
      const now = clock.now()
      const tokens = tokensOf(name, now)
      if (tokens < 1) return false
      // Deleted first, so that the map's order is by last use.
      buckets.delete(name)
      buckets.set(name, { tokens: tokens - 1, at: now })
      const oldest = buckets.keys().next().value
      if (buckets.size > options.names && oldest !== undefined) buckets.delete(oldest)
      return true
    },
  }
}
