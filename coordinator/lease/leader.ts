import type { WorkerId } from '../../protocol/ids.ts'
import type { HeadReply, HeadRequest } from '../../protocol/wire.ts'
import type { HeadList } from './head-list.ts'

/** What a head does while it leads. */
export interface Leader {
  answer(peer: WorkerId, request: HeadRequest): Promise<HeadReply>
  /** The list of heads has changed. */
  headsChanged(heads: HeadList): void
  /** Ends the leadership: nothing is sent, and nothing is journaled, once it resolves. */
  stop(): Promise<void>
}

export interface LeaderControl {
  /** A higher term is proven, by the signature of its head or by the chain: this head leads no more. */
  deposed(term: number): void
}

/** The lease on chain, where there is one: a compare-and-set on the term. */
export interface ChainLease {
  /** Takes the lease for `term`; when it can't be had, says whose term is on record (0: unknown). */
  take(
    term: number,
    signal: AbortSignal,
  ): Promise<{ readonly taken: true } | { readonly taken: false; readonly term: number }>
  current(signal: AbortSignal): Promise<number>
}
