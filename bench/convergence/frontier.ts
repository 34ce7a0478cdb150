import { trafficOf } from './bytes.ts'
import type { Finished } from './finished.ts'

/** The cells that no other beats in both loss and bytes, fewest bytes first. */
export function frontierOf(cells: readonly Finished[]): Finished[] {
  const averaging = cells.filter(({ cell }) => cell.sync !== 'every-step')
  const total = (one: Finished) => one.outcome.bytes
  const sorted = [...averaging].sort((a, b) => total(a) - total(b) || a.outcome.lossNats - b.outcome.lossNats)
  let best = Number.POSITIVE_INFINITY
  return sorted.filter(({ outcome }) => {
    if (outcome.lossNats >= best) return false
    best = outcome.lossNats
    return true
  })
}

/** Of a group's cells with at least `ratio` times fewer bytes than the ring, the one with the least loss: the last of the frontier. */
export function bestBeyond(cells: readonly Finished[], ratio: number): Finished | null {
  return frontierOf(cells).findLast((one) => trafficOf(one).ratio >= ratio) ?? null
}
