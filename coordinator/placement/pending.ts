import type { RunId, WorkerId } from '../../protocol/ids.ts'
import { choose } from './choose.ts'
import { isStrict, shortfall, type Unfit, unfit } from './fit.ts'
import { fixOf, reasonText } from './pending-text.ts'
import type { NodeView, RunView } from './views.ts'

/** What keeps a run from its minimum. */
export type Stage =
  | { readonly kind: 'paused' | 'awaiting-funds' }
  /** More than its owner may have. */
  | { readonly kind: 'quota-runs' | 'quota-workers'; readonly quota: number; readonly used: number }
  /** Not even all the nodes that are there would do. */
  | { readonly kind: 'unfit' }
  /** They would do, but others have them. */
  | { readonly kind: 'waiting' }
  /** It trains, with fewer than its minimum: it lost some. */
  | { readonly kind: 'below-min' }

export type ReasonCode = Unfit | 'GONE' | 'DRAINING' | 'BUSY' | 'RESERVED' | 'LABEL'

/** One reason for all the nodes that have it. */
export interface Reason {
  readonly code: ReasonCode
  readonly nodes: number
  readonly text: string
}

export interface Pending {
  readonly code:
    | 'PAUSED'
    | 'AWAITING_FUNDS'
    | 'QUOTA_RUNS'
    | 'QUOTA_WORKERS'
    | 'NO_NODES'
    | 'NODES_MISSING'
    | 'NODES_BUSY'
    | 'BELOW_MIN'
  /** For people: how many there are of how many, and why the others are not. */
  readonly text: string
  /** Workers that it has or could have now; of those that are there at all where they would not do. */
  readonly have: number
  /** Workers it cannot start, or is not whole, without. */
  readonly need: number
  /** What would change it. */
  readonly fix: string
  /** Of the nodes that are not among `have`, most frequent first. */
  readonly reasons: readonly Reason[]
}

interface Occupancy {
  readonly assignments: ReadonlyMap<WorkerId, RunId>
  readonly reserved: ReadonlyMap<WorkerId, RunId>
}

/** Says why a run waits. O(nodes). */
export function explain(
  run: RunView,
  stage: Stage,
  nodes: readonly NodeView[],
  occupancy: Occupancy,
): Pending {
  const need = run.spec.workers.min
  const usable = { text: '', have: 0, need, reasons: [] }
  switch (stage.kind) {
    case 'paused':
      return {
        ...usable,
        code: 'PAUSED',
        text: 'paused by its owner; its workers serve other runs meanwhile',
        fix: `\`murmur resume ${run.name}\` puts it back in the queue`,
      }
    case 'awaiting-funds':
      return {
        ...usable,
        code: 'AWAITING_FUNDS',
        text: 'its escrow does not hold what its epochs may pay; it gets workers once it does',
        fix: `\`murmur fund ${run.name} --amount …\``,
      }
    case 'quota-runs':
      return {
        ...usable,
        code: 'QUOTA_RUNS',
        text: `${run.owner} has ${stage.used} of ${stage.quota} runs at once`,
        fix: 'wait for one of them to end, stop one with `murmur stop`, or ask the head’s owner for a larger quota',
      }
    case 'quota-workers':
      return {
        ...usable,
        code: 'QUOTA_WORKERS',
        text: `${run.owner} may have ${stage.quota} workers and has ${stage.used}; this run needs ${need}`,
        fix: `${stage.used > 0 ? 'wait for one of its runs to end, ' : ''}lower workers.min, or ask the head’s owner for a larger quota`,
      }
    default:
      return ofNodes(run, stage.kind, nodes, occupancy)
  }
}

function ofNodes(
  run: RunView,
  kind: 'unfit' | 'waiting' | 'below-min',
  nodes: readonly NodeView[],
  occupancy: Occupancy,
): Pending {
  const need = run.spec.workers.min
  const held = nodes.filter(({ id }) => occupancy.assignments.get(id) === run.run)
  const active = held.filter(({ draining }) => !draining).length
  const tallies = new Map<ReasonCode, { nodes: number; best: number }>()
  const tally = (code: ReasonCode, best: number) => {
    const known = tallies.get(code)
    if (known === undefined) tallies.set(code, { nodes: 1, best })
    else {
      known.nodes++
      known.best = Math.max(known.best, best)
    }
  }
  const able: NodeView[] = []
  for (const node of nodes) {
    if (occupancy.assignments.get(node.id) === run.run) {
      if (node.draining) tally('DRAINING', 0)
      continue
    }
    const code = obstacle(node, run, kind === 'unfit' ? null : occupancy)
    if (code === null) able.push(node)
    else tally(code, isUnfit(code) ? shortfall(code, node, run) : 0)
  }
  const more = choose(run, able, held, need - active).length
  if (able.length > more && isStrict(run)) {
    tallies.set('LABEL', { nodes: able.length - more, best: 0 })
  }
  const have = active + more
  const reasons = [...tallies]
    .map(([code, { nodes: count, best }]) => ({
      code,
      nodes: count,
      text: reasonText(code, count, best, run),
    }))
    .sort((a, b) => b.nodes - a.nodes || (a.code < b.code ? -1 : 1))
  const said = reasons.length === 0 ? '' : `: ${reasons.map(({ text }) => text).join('; ')}`
  const code = nodes.every(({ alive }) => !alive)
    ? 'NO_NODES'
    : kind === 'unfit'
      ? 'NODES_MISSING'
      : kind === 'waiting'
        ? 'NODES_BUSY'
        : 'BELOW_MIN'
  return {
    code,
    text: code === 'NO_NODES' ? `no node is here${said}` : `${have} of ${need} workers${said}`,
    have,
    need,
    fix: fixOf(code, run, have, reasons),
    reasons,
  }
}

/** Why a node is not the run's; who else has it is left out of it without an occupancy. */
export function obstacle(node: NodeView, run: RunView, occupancy: Occupancy | null): ReasonCode | null {
  if (!node.alive) return 'GONE'
  if (node.draining) return 'DRAINING'
  const code = unfit(node, run)
  if (code !== null || occupancy === null) return code
  if (occupancy.assignments.has(node.id)) return 'BUSY'
  const keeper = occupancy.reserved.get(node.id)
  return keeper === undefined || keeper === run.run ? null : 'RESERVED'
}

const occupied: ReadonlySet<ReasonCode> = new Set(['GONE', 'DRAINING', 'BUSY', 'RESERVED', 'LABEL'])
const isUnfit = (code: ReasonCode): code is Unfit => !occupied.has(code)
