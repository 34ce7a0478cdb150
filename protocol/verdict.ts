import type { Verdict } from './errors.ts'
import type { RunId, WorkerId } from './ids.ts'
import type { Gossip } from './wire.ts'

/** What a node knows when it judges a message of its run. */
export interface GossipView {
  readonly run: RunId
  readonly head: WorkerId
  readonly term: number
  /** The round this node is in. */
  readonly round: number
  /** Who may speak as a worker. */
  readonly members: ReadonlySet<WorkerId>
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

const headOnly = new Set<Gossip['body']['kind']>(['roundOpen', 'revealOpen', 'manifest', 'runEnd'])

/**
 * The rules that hold whatever the phase (docs/protocol.md, "Verdicts"). `reject` costs the sender its standing, so it
 * is said only of what no honest node in any state would have sent or relayed.
 */
export function judge(view: GossipView, author: WorkerId, message: Gossip): Judgement {
  if (message.run !== view.run) return rejected('WRONG_RUN')
  const { body } = message
  if (headOnly.has(body.kind)) {
    if (author !== view.head) return rejected('NOT_THE_HEAD')
    return message.term < view.term ? ignored('STALE_TERM') : accepted
  }
  if (!view.members.has(author)) return ignored('UNKNOWN_SENDER')
  if (message.term !== view.term) return ignored('OTHER_TERM')
  const round = 'round' in body ? body.round : view.round
  // A state root speaks of a round that is over, and is still worth recording by the head when it comes late.
  const oldest = body.kind !== 'stateRoot' ? view.round : view.authoritative ? 0 : view.round - 1
  if (round < oldest) return ignored('LATE')
  if (view.authoritative && round > view.round) return rejected('FUTURE')
  if (round > view.round + 1) return ignored('FUTURE')
  return accepted
}
