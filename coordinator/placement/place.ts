import type { RunId, WorkerId } from '../../protocol/ids.ts'
import { choose, groupSizes, keepable } from './choose.ts'
import { unfit, unfitForever } from './fit.ts'
import { explain, type Pending, type Stage } from './pending.ts'
import {
  byQueueOrder,
  type NodeView,
  type Quota,
  type Quotas,
  quotaOf,
  type RunView,
  speedOf,
  targetOf,
  wants,
} from './views.ts'

export interface Placement {
  readonly assignments: ReadonlyMap<WorkerId, RunId>
  /** Free nodes that are kept for a run that cannot start yet, so that no later one takes them. */
  readonly reserved: ReadonlyMap<WorkerId, RunId>
  /** Why each run that waits does so: those without workers, and those with fewer than their minimum. */
  readonly pending: ReadonlyMap<RunId, Pending>
}

/**
 * Which node works for which run: a pure function, whatever order its inputs come in.
 *
 * A worker stays with its run while that can use it; nobody is taken from a run for another (no preemption). What is free
 * goes first to minimums, in queue order: a run gets its first workers only when they are `min` together. A run that
 * cannot start, though the nodes that are there would suffice, keeps the free ones that it can use: only what it cannot
 * use is left to those behind it, so that small runs never starve a large one. Then targets are filled in queue order,
 * then what is left goes to whoever may have more.
 *
 * Time and space: O(nodes · runs + nodes · log nodes).
 */
export function place(nodes: readonly NodeView[], runs: readonly RunView[], quotas: Quotas): Placement {
  const ordered = [...nodes].sort(byPreference)
  const queue = [...runs].sort(byQueueOrder)
  const book = new Book(ordered, queue, quotas)
  for (const run of queue) book.keep(run)
  const stages = new Map<RunId, Stage>()
  for (const run of queue) {
    const stage = toMinimum(book, run)
    if (stage !== null) stages.set(run.run, stage)
  }
  for (const run of queue) book.grow(run, targetOf(run.spec))
  for (const run of queue) book.grow(run, run.spec.workers.max)
  const pending = new Map<RunId, Pending>()
  for (const run of queue) {
    const stage = stages.get(run.run)
    if (stage === undefined) continue
    pending.set(run.run, explain(run, stage, ordered, book))
  }
  return { assignments: book.assignments, reserved: book.reserved, pending }
}

/** Brings a run to its minimum, or says what keeps it from that. */
function toMinimum(book: Book, run: RunView): Stage | null {
  if (run.phase === 'paused' || run.phase === 'awaiting-funds') return { kind: run.phase }
  if (wants(run.phase) !== 'workers') return null
  const { min } = run.spec.workers
  if (book.isStarted(run)) {
    book.grow(run, min)
    if (book.active(run) >= min) return null
    return book.room(run) > 0
      ? { kind: 'below-min' }
      : { kind: 'quota-workers', quota: book.quota(run).maxWorkers, used: book.used(run.owner).workers }
  }
  const quota = book.quota(run)
  const { runs, workers } = book.used(run.owner)
  if (runs >= quota.maxRuns) return { kind: 'quota-runs', quota: quota.maxRuns, used: runs }
  if (workers + min > quota.maxWorkers) {
    return { kind: 'quota-workers', quota: quota.maxWorkers, used: workers }
  }
  const free = book.free(run)
  const gang = choose(run, free, [], min, { wish: targetOf(run.spec) })
  if (gang.length >= min) {
    book.assign(run, gang)
    return null
  }
  const present = book.present(run)
  if (choose(run, present, [], min).length < min) return { kind: 'unfit' }
  const sizes = groupSizes(present, run.spec.placement.over)
  book.reserve(run, choose(run, free, [], min, { wish: targetOf(run.spec), sizes }))
  return { kind: 'waiting' }
}

/** What has been given to whom so far. */
class Book {
  readonly assignments = new Map<WorkerId, RunId>()
  readonly reserved = new Map<WorkerId, RunId>()
  readonly #nodes: readonly NodeView[]
  readonly #quotas: Quotas
  readonly #held = new Map<RunId, NodeView[]>()
  readonly #used = new Map<string, { runs: number; workers: number }>()
  readonly #claimed = new Map<RunId, NodeView[]>()

  constructor(nodes: readonly NodeView[], runs: readonly RunView[], quotas: Quotas) {
    this.#nodes = nodes
    this.#quotas = quotas
    for (const { run } of runs) this.#claimed.set(run, [])
    for (const node of nodes) {
      if (node.alive && node.run !== null) this.#claimed.get(node.run)?.push(node)
    }
  }

  /** Leaves a run what it has, as far as it may keep it. */
  keep(run: RunView): void {
    if (wants(run.phase) === 'nothing') return
    const claimed = this.#claimed.get(run.run)!.filter((node) => unfitForever(node, run) === null)
    const lawful = keepable(run, claimed)
    const staying = lawful.filter(({ draining }) => !draining).slice(0, run.spec.workers.max)
    const kept = [...lawful.filter(({ draining }) => draining), ...staying]
    if (kept.length > 0) this.assign(run, kept)
  }

  assign(run: RunView, nodes: readonly NodeView[]): void {
    const held = this.#held.get(run.run) ?? []
    const used = this.#used.get(run.owner) ?? { runs: 0, workers: 0 }
    if (held.length === 0) used.runs++
    used.workers += nodes.length
    this.#used.set(run.owner, used)
    this.#held.set(run.run, held.concat(nodes))
    for (const { id } of nodes) this.assignments.set(id, run.run)
  }

  /**
   * Gives a run that has workers more of them, one by one, up to `goal` that do not leave: who is to follow one that
   * drains warms up while that finishes its round.
   */
  grow(run: RunView, goal: number): void {
    const held = this.held(run)
    if (held.length === 0 || wants(run.phase) !== 'workers') return
    const count = Math.min(goal - this.active(run), this.room(run))
    if (count <= 0) return
    const chosen = choose(run, this.free(run), held, count)
    if (chosen.length > 0) this.assign(run, chosen)
  }

  /** Keeps nodes for a run that will start, and its place in its owner's quota: no growth of others may take either. */
  reserve(run: RunView, nodes: readonly NodeView[]): void {
    for (const { id } of nodes) this.reserved.set(id, run.run)
    const { runs, workers } = this.used(run.owner)
    this.#used.set(run.owner, { runs: runs + 1, workers: workers + run.spec.workers.min })
  }

  /** Nodes a run may be given now, those that it knows from before first. */
  free(run: RunView): readonly NodeView[] {
    const free = this.#nodes.filter(
      (node) => !this.assignments.has(node.id) && !this.reserved.has(node.id) && isPresent(node, run),
    )
    if (run.members.length === 0) return free
    const known = new Set(run.members)
    return [...free.filter(({ id }) => known.has(id)), ...free.filter(({ id }) => !known.has(id))]
  }

  /** Nodes that could serve a run if no other had them. */
  present(run: RunView): readonly NodeView[] {
    return this.#nodes.filter((node) => isPresent(node, run))
  }

  held(run: RunView): readonly NodeView[] {
    return this.#held.get(run.run) ?? []
  }

  /** Those of its workers that do not leave. */
  active(run: RunView): number {
    return this.held(run).reduce((sum, { draining }) => sum + (draining ? 0 : 1), 0)
  }

  isStarted(run: RunView): boolean {
    return this.held(run).length > 0
  }

  quota(run: RunView): Quota {
    return quotaOf(this.#quotas, run.owner)
  }

  /** Workers that the owner of a run may have more. */
  room(run: RunView): number {
    return this.quota(run).maxWorkers - this.used(run.owner).workers
  }

  used(owner: string): { readonly runs: number; readonly workers: number } {
    return this.#used.get(owner) ?? { runs: 0, workers: 0 }
  }
}

const isPresent = (node: NodeView, run: RunView): boolean =>
  node.alive && !node.draining && unfit(node, run) === null

/** Reliable before fast before near; the id makes it total. */
function byPreference(a: NodeView, b: NodeView): number {
  return (
    a.misses - b.misses ||
    speedOf(b) - speedOf(a) ||
    a.roundTripMs - b.roundTripMs ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  )
}
