import type { WorkerId } from '../../protocol/ids.ts'
import { maxHeads } from '../../protocol/limits.ts'
import { leaderIndex } from '../../protocol/term.ts'
import type { PeerAddresses } from '../../protocol/wire.ts'

/** The heads of a cluster in the order of their terms. Heads are added at the end and never removed: places stay. */
export type HeadList = readonly PeerAddresses[]

/** A head's place; null when it has none. */
export function placeOf(heads: HeadList, head: WorkerId): number | null {
  const index = heads.findIndex(({ id }) => id === head)
  return index === -1 ? null : index
}

/** Who may lead a term; undefined when nobody known may. */
export const leaderOf = (heads: HeadList, term: number): PeerAddresses | undefined => heads[leaderIndex(term)]

/** The list with a head in it, under these addresses: the same list when nothing is new, null when it is full. */
export function withHead(heads: HeadList, head: PeerAddresses): HeadList | null {
  const index = placeOf(heads, head.id)
  if (index === null) return heads.length >= maxHeads ? null : [...heads, head]
  return sameAddresses(heads[index]!, head) ? heads : heads.with(index, head)
}

/** Whether `told` is the same list, or a longer one that begins with it: then it is newer. */
export const continues = (heads: HeadList, told: HeadList): boolean =>
  told.length >= heads.length && heads.every(({ id }, index) => told[index]!.id === id)

const sameAddresses = (a: PeerAddresses, b: PeerAddresses): boolean =>
  a.addresses.length === b.addresses.length && a.addresses.every((text, index) => text === b.addresses[index])
