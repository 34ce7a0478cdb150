import { networkLimits } from '../network/limits.ts'
import { createTokenBuckets, type TokenBuckets } from '../network/token-bucket.ts'
import type { VirtualNode } from './virtual-node.ts'

/** What a node lets each author say in gossip: the real buckets, on this node's clock. */
export const authorLimit = (node: VirtualNode): TokenBuckets =>
  createTokenBuckets(
    {
      burst: networkLimits.authorBurstMessages,
      perSecond: networkLimits.authorMessagesPerSecond,
      names: networkLimits.authors,
    },
    { now: () => node.clock() },
  )
