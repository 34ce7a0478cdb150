import type { RunId, WorkerId } from '../../protocol/ids.ts'
import type { RunPhase } from '../../protocol/report.ts'
import type { RunSpec } from '../../protocol/run-spec.ts'

/* What placement sees of the cluster: plain values, made anew by the head whenever something changed. */

export interface DeviceView {
  readonly kind: 'cpu' | 'cuda' | 'webgpu'
  readonly name: string
  /** 0 while unknown, as every figure that is measured or reported. */
  readonly memoryBytes: number
  /** On the reference program (`murmur worker check`). */
  readonly tokensPerSecond: number
}

export interface NodeView {
  readonly id: WorkerId
  readonly name: string
  readonly alive: boolean
  /** It finishes its round and leaves: it keeps its run, and gets no other. */
  readonly draining: boolean
  /** The run it is assigned to at present. */
  readonly run: RunId | null
  /** Empty for a node that told nothing: then it counts as one CPU with the host's memory. */
  readonly devices: readonly DeviceView[]
  readonly cores: number
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
  readonly roundTripMs: number
  readonly labels: ReadonlyMap<string, string>
  /** Measured in training. */
  readonly tokensPerSecond: number
  /** Rounds in a row that it was a member of without being admitted. */
  readonly misses: number
}

export interface RunView {
  readonly run: RunId
  readonly name: string
  readonly spec: Pick<RunSpec, 'workers' | 'resources' | 'placement'>
  readonly submittedAt: number
  /** −100 … 100; the higher goes first. */
  readonly priority: number
  /** Name of the API token that submitted it; quotas are counted by it. */
  readonly owner: string
  readonly phase: RunPhase | 'paused'
  /** Workers it has or had: they hold its data and their own local state, so they are preferred when they are free. */
  readonly members: readonly WorkerId[]
  /** Ejected after a failed audit: never placed in this run again. */
  readonly excluded: ReadonlySet<WorkerId>
  /** What the program takes on a device (program/memory.ts); 0 while unknown. */
  readonly programMemoryBytes: number
}

export interface Quota {
  /** Runs that hold workers at once. */
  readonly maxRuns: number
  /** Workers of all the owner's runs together. */
  readonly maxWorkers: number
}

export interface Quotas {
  readonly default: Quota
  readonly owners: ReadonlyMap<string, Quota>
}

export const unlimited: Quotas = {
  default: { maxRuns: Number.POSITIVE_INFINITY, maxWorkers: Number.POSITIVE_INFINITY },
  owners: new Map(),
}

export const quotaOf = ({ default: usual, owners }: Quotas, owner: string): Quota =>
  owners.get(owner) ?? usual

/** Bounds of a priority: a hundred levels each way are more than people tell apart. */
export const maxPriority = 100

/** Workers a run takes before others take more than theirs. */
export const targetOf = ({ workers }: RunView['spec']): number => workers.target ?? workers.max

export type Want = 'workers' | 'hold' | 'nothing'

/**
 * What a run wants of placement in each phase. While it settles it keeps the workers it has, since auditors fetch from
 * them, and gets no new ones; awaiting its money, paused, or over, it has none.
 */
export function wants(phase: RunView['phase']): Want {
  switch (phase) {
    case 'queued':
    case 'forming':
    case 'warmup':
    case 'train':
    case 'commit':
    case 'reveal':
    case 'aggregate':
      return 'workers'
    case 'settling':
      return 'hold'
    case 'awaiting-funds':
    case 'paused':
    case 'finished':
    case 'stopped':
    case 'failed':
      return 'nothing'
    default:
      return phase satisfies never
  }
}

/** The order in which runs are served: priority, then first come first served, then the id, so that it is total. */
export function byQueueOrder(a: RunView, b: RunView): number {
  return (
    b.priority - a.priority || a.submittedAt - b.submittedAt || (a.run < b.run ? -1 : a.run > b.run ? 1 : 0)
  )
}

/** Tokens a second: as measured in training, else on the reference program by its fastest device; 0 while unknown. */
export const speedOf = ({ tokensPerSecond, devices }: NodeView): number =>
  tokensPerSecond > 0 ? tokensPerSecond : Math.max(0, ...devices.map((device) => device.tokensPerSecond))
