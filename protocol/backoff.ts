import { below } from './random.ts'

export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * How long to wait before attempt `attempt + 1`, after `attempt` (from 0) failed: exponential up to a bound, half of it
 * drawn, so that those who lost the same peer at once don't come back at once ("equal jitter", M. Brooker, AWS
 * Architecture Blog 2015). `draw` is a uint32.
 */
export function backoffMs(attempt: number, draw: number, { firstMs, maxMs }: Backoff): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30))
  const half = Math.floor(whole / 2)
  return half + below(whole - half + 1, draw)
}
