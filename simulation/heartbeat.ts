import type { RoundState } from '../coordinator/round/state.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'

/** What of a heartbeat the cores act on. */
export interface Beat {
  readonly incarnation: number
  readonly phase: string
  readonly round: number
  readonly term: number
  readonly newest: CidText | null
  readonly draining: boolean
  /** The worker's own newest message, in case gossip lost it. */
  readonly outstanding: Uint8Array | null
}

/** What of a heartbeat tells how far its worker is. */
export type Told = Pick<Beat, 'phase' | 'round' | 'term' | 'newest'>

export interface BeatReply {
  /** Null from a head that does not lead. */
  readonly assignment: {
    readonly newest: CidText | null
    readonly heads: readonly WorkerId[]
    readonly term: number
  } | null
  readonly announcement: Uint8Array | null
  /** Index of the head that leads as far as this one knows. */
  readonly leader: number
}

/**
 * Whether a heartbeat shows that its worker has heard the head's newest announcement, which then need not be repeated: an
 * opening by training for it or by the commit that this head holds, the close of the commits by the reveal. A worker may
 * train, or have committed, under an opening of the head before this one: it must hear of this one's.
 */
export function hasHeard(state: RoundState, worker: WorkerId, { phase, round, term, newest }: Told): boolean {
  if (round !== state.round || term !== state.term || newest !== state.parent) return false
  switch (state.phase.kind) {
    case 'train':
    case 'commit':
      return phase === 'training' || state.commits.has(worker)
    case 'reveal':
      return state.reveals.has(worker) || state.refused.has(worker)
    default:
      return false
  }
}
