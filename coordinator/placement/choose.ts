import type { NodeView, RunView } from './views.ts'

/** The group of a node under a label; nodes without it are one group, as nothing says that they differ. */
export const groupOf = (node: NodeView, over: string): string => node.labels.get(over) ?? ''

/**
 * Picks up to `count` of `candidates` for a run that holds `held` already, by its strategy. `candidates` come in the order
 * of preference, which decides within a group. Fewer than `count` come back when no more may be had.
 *
 * - PACK: groups in which the run is already, then the smallest that holds all, then the largest.
 * - SPREAD: always from the group that has the fewest of the run.
 * - STRICT_PACK: from one group only. Of a run that holds nothing yet: the smallest that holds `wish`, else the largest.
 * - STRICT_SPREAD: one of each group.
 *
 * `wish` is how many the run would like in all; `sizes` weighs groups by something else than the candidates in them.
 */
export function choose(
  { spec }: Pick<RunView, 'spec'>,
  candidates: readonly NodeView[],
  held: readonly NodeView[],
  count: number,
  { wish = count, sizes }: { readonly wish?: number; readonly sizes?: ReadonlyMap<string, number> } = {},
): readonly NodeView[] {
  if (count <= 0 || candidates.length === 0) return []
  const { strategy, over } = spec.placement
  const mine = groupSizes(held, over)
  switch (strategy) {
    case 'PACK': {
      const order = packOrder(sizes ?? groupSizes(candidates, over), mine, wish)
      const rank = new Map(order.map((group, index) => [group, index]))
      return inOrder(candidates, (node) => rank.get(groupOf(node, over))!).slice(0, count)
    }
    case 'SPREAD':
      return inOrder(candidates, depths(candidates, mine, over)).slice(0, count)
    case 'STRICT_PACK': {
      const [group] = packOrder(sizes ?? groupSizes(candidates, over), mine, wish)
      return candidates.filter((node) => groupOf(node, over) === group).slice(0, count)
    }
    case 'STRICT_SPREAD': {
      const depth = depths(candidates, mine, over)
      return candidates.filter((node) => depth(node) === 0).slice(0, count)
    }
    default:
      return strategy satisfies never
  }
}

/** Of what a run holds, what its strict strategy lets it keep: labels may have changed since. First in order wins. */
export function keepable({ spec }: Pick<RunView, 'spec'>, held: readonly NodeView[]): readonly NodeView[] {
  const { strategy, over } = spec.placement
  if (strategy === 'STRICT_SPREAD') {
    const depth = depths(held, new Map(), over)
    return held.filter((node) => depth(node) === 0)
  }
  if (strategy === 'STRICT_PACK') {
    const [group] = packOrder(new Map(), groupSizes(held, over), 0)
    return held.filter((node) => groupOf(node, over) === group)
  }
  return held
}

export function groupSizes(nodes: readonly NodeView[], over: string): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const node of nodes) {
    const group = groupOf(node, over)
    sizes.set(group, (sizes.get(group) ?? 0) + 1)
  }
  return sizes
}

function packOrder(
  sizes: ReadonlyMap<string, number>,
  mine: ReadonlyMap<string, number>,
  wish: number,
): readonly string[] {
  const rank = (group: string): readonly [number, number] => {
    const [own, size] = [mine.get(group) ?? 0, sizes.get(group) ?? 0]
    if (own > 0) return [0, -own]
    return size >= wish ? [1, size] : [2, -size]
  }
  return [...new Set([...mine.keys(), ...sizes.keys()])].sort((a, b) => {
    const [ra, rb] = [rank(a), rank(b)]
    return ra[0] - rb[0] || ra[1] - rb[1] || (a < b ? -1 : 1)
  })
}

/** How many of the run are in a node's group when those before it in the list are taken too. */
function depths(
  nodes: readonly NodeView[],
  mine: ReadonlyMap<string, number>,
  over: string,
): (node: NodeView) => number {
  const taken = new Map(mine)
  const depth = new Map<NodeView, number>()
  for (const node of nodes) {
    const group = groupOf(node, over)
    const before = taken.get(group) ?? 0
    depth.set(node, before)
    taken.set(group, before + 1)
  }
  return (node) => depth.get(node)!
}

/** A stable sort by a whole number. */
const inOrder = (nodes: readonly NodeView[], key: (node: NodeView) => number): readonly NodeView[] =>
  nodes
    .map((node) => ({ node, at: key(node) }))
    .sort((a, b) => a.at - b.at)
    .map(({ node }) => node)
