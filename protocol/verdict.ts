import type { Verdict } from './errors.ts'
import type { RunId, WorkerId } from './ids.ts'
import { leaderIndex } from './term.ts'
import type { Gossip } from './wire.ts'

/** What a node knows when it judges a message of its run. */
export interface GossipView {
  readonly run: RunId
  /** The heads this node knows, in the order of their terms (term.ts). */
  readonly heads: readonly WorkerId[]
  /** The newest term this node has heard of. */
  readonly term: number
  /** The round this node is in. */
  readonly round: number
  /** Who may speak as a worker. */
  isMember(author: WorkerId): boolean
  /** The head decides which round it is; a worker may lag behind others and must not punish them for it. */
  readonly authoritative: boolean
}

export interface Judgement {
  readonly verdict: Verdict
  /** Why, when it is not `accept`. */
  readonly code: string
}

export const accepted: Judgement = { verdict: 'accept', code: 'OK' }
export const ignored = (code: string): Judgement => ({ verdict: 'ignore', code })
export const rejected = (code: string): Judgement => ({ verdict: 'reject', code })

const headOnly = new Set<Gossip['body']['kind']>(['roundOpen', 'revealOpen', 'manifest', 'runEnd', 'large'])

/**
 * The rules that hold whatever the phase (docs/protocol.md, "Verdicts"). `reject` costs the sender its standing, so it
 * is said only of what no honest node in any state would have sent or relayed.
 */
export function judge(view: GossipView, author: WorkerId, message: Gossip): Judgement {
  if (message.run !== view.run) return rejected('WRONG_RUN')
  const { body } = message
  if (headOnly.has(body.kind)) {
    const leader = view.heads[leaderIndex(message.term)]
    // A head that joined the cluster after this node last heard of it.
    if (leader === undefined) return ignored('UNKNOWN_HEAD')
    if (author !== leader) return rejected('NOT_THE_HEAD')
    return message.term < view.term ? ignored('STALE_TERM') : accepted
  }
  if (!view.isMember(author)) return ignored('UNKNOWN_SENDER')
  if (message.term !== view.term) return ignored('OTHER_TERM')
  const round = 'round' in body ? body.round : view.round
  // A state root speaks of a round that is over, and is still worth recording by the head when it comes late.
  const oldest = body.kind !== 'stateRoot' ? view.round : view.authoritative ? 0 : view.round - 1
  if (round < oldest) return ignored('LATE')
  // A root may speak of a round that only the head before this one published; commits and reveals name the term of the
  // opening that they answer, so that one of a round to come is nobody's honest word.
  if (view.authoritative && round > view.round)
    return body.kind === 'stateRoot' ? ignored('FUTURE') : rejected('FUTURE')
  if (round > view.round + 1) return ignored('FUTURE')
  return accepted
}
