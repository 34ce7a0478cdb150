import type { RunId, WorkerId } from '../../protocol/ids.ts'
import type { RunSpec } from '../../protocol/run-spec.ts'
import type { Pending } from './pending.ts'
import { place } from './place.ts'
import { type NodeView, type RunView, unlimited } from './views.ts'

export type Feasibility =
  /** The nodes that are there would do, if none had other work: it would be given these. */
  | { readonly kind: 'fits'; readonly workers: ReadonlySet<WorkerId> }
  /** Nobody has joined yet: nothing can be said. */
  | { readonly kind: 'no-nodes'; readonly pending: Pending }
  /** The nodes that are there would not do even without other work. */
  | { readonly kind: 'infeasible'; readonly pending: Pending }

/**
 * Whether the nodes that are there could start a run, were they all free. What contradicts itself in a spec alone is
 * refused before this (protocol/run-sections.ts, program/memory.ts). A node's own run is not asked: it is not among the runs.
 */
export function feasibility(
  spec: Pick<RunSpec, 'name' | 'workers' | 'resources' | 'placement'>,
  nodes: readonly NodeView[],
  programMemoryBytes: number,
): Feasibility {
  const run = candidate(spec, programMemoryBytes)
  const { assignments, pending } = place(nodes, [run], unlimited)
  const reason = pending.get(run.run)
  if (reason === undefined) return { kind: 'fits', workers: new Set(assignments.keys()) }
  return nodes.some(({ alive }) => alive)
    ? { kind: 'infeasible', pending: reason }
    : { kind: 'no-nodes', pending: reason }
}

/** A run that nobody has submitted yet. */
export const candidate = (
  spec: Pick<RunSpec, 'name' | 'workers' | 'resources' | 'placement'>,
  programMemoryBytes: number,
): RunView => ({
  run: 'candidate' as RunId,
  name: spec.name,
  spec,
  submittedAt: 0,
  priority: 0,
  owner: '',
  phase: 'queued',
  members: [],
  excluded: new Set(),
  programMemoryBytes,
})
