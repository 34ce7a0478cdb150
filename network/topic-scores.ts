import type { GossipSub } from '@libp2p/gossipsub'
import { invariant } from '../protocol/errors.ts'

/**
 * How gossipsub judges a peer on a topic: only by the invalid messages it passes on (P4 of the gossipsub v1.1 spec,
 * −20·n², n falling by a tenth a second: three at once silence a peer for four seconds, ten for fifteen). Rounds come in bursts with
 * silence between: scoring the rate of deliveries would punish the idle.
 */
const onlyInvalidMessages = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -20,
  invalidMessageDeliveriesDecay: 0.9,
} as const

export interface TopicScores {
  add(topic: string): void
  remove(topic: string): void
  /** A peer's present score; below −80 gossipsub no longer reads what it sends. */
  of(peer: string): number
}

/** Scores for topics that are joined while the router runs; its options only take those known at the start. */
export function topicScores(router: GossipSub): TopicScores {
  // Public on the router's class, missing in its interface.
  const { score } = router as unknown as {
    score?: { params?: { topics?: Record<string, typeof onlyInvalidMessages> }; score(peer: string): number }
  }
  const topics = score?.params?.topics
  invariant(score !== undefined && topics !== undefined, 'gossipsub keeps its topic scores elsewhere')
  return {
    add(topic) {
      topics[topic] = onlyInvalidMessages
    },
    remove(topic) {
      delete topics[topic]
    },
    of: (peer) => score.score(peer),
  }
}
