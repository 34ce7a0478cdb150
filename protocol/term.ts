import { maxHeads } from './limits.ts'

/**
 * A term is one head's leadership. Terms are dealt out in turn, so that no two heads can ever lead the same one (as the
 * views of Viewstamped Replication are): head `i` of a cluster leads exactly the terms that are `i` modulo `maxHeads`.
 */
export const leaderIndex = (term: number): number => term % maxHeads

/** The lowest term after `after` that the head with this index may lead. Terms below `maxHeads` are nobody's. */
export function nextTerm(after: number, index: number): number {
  const start = Math.max(after + 1, maxHeads)
  return start + ((index - leaderIndex(start) + maxHeads) % maxHeads)
}

/** The first term of a cluster: that of its first head. */
export const firstTerm = nextTerm(0, 0)
