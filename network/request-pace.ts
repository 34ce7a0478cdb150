import type { WorkerId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { Nuisance } from './gossip.ts'
import { networkLimits } from './limits.ts'
import { createTokenBuckets } from './token-bucket.ts'

/** Whether a peer may ask now. It is told of once a minute when it asks too often. */
export type RequestPace = (peer: WorkerId) => boolean

/** A pace for each peer that asks this node, for handlers whose work grows with the number of requests. */
export function createRequestPace({
  clock,
  onNuisance,
}: {
  readonly clock: Clock
  readonly onNuisance: (nuisance: Nuisance) => void
}): RequestPace {
  const asked = createTokenBuckets(
    {
      burst: networkLimits.askerBurstRequests,
      perSecond: networkLimits.askerRequestsPerSecond,
      names: networkLimits.authors,
    },
    clock,
  )
  const told = createTokenBuckets(
    { burst: 1, perSecond: networkLimits.nuisancesPerSecond, names: networkLimits.authors },
    clock,
  )
  return (peer) => {
    if (asked.take(peer)) return true
    if (told.take(peer)) onNuisance({ peer, kind: 'requests' })
    return false
  }
}
