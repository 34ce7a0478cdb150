import type { Address, RunId, WorkerId } from '../protocol/ids.ts'

/** A heartbeat is due this often; a worker that is silent for `deadMs` is lost. */
export const heartbeatMs = 2_000
export const deadMs = 15_000
/** After a connection is gone, how long a worker may take to come back before its round goes on without it. */
export const disconnectGraceMs = 3_000

export interface ClusterMember {
  readonly id: WorkerId
  /** Short name for people: w1, w2, … in order of first joining. */
  readonly name: string
  readonly engineClass: string
  readonly addresses: readonly string[]
  readonly payout: Address | null
  readonly lastSeenMs: number
  /** When its last connection was gone; null while it is connected. */
  readonly disconnectedMs: number | null
  readonly telemetry: Telemetry
}

export interface Telemetry {
  readonly run: RunId | null
  readonly phase: string
  readonly round: number
  readonly step: number
  readonly lossNats: number
  readonly tokensPerSecond: number
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly error: string | null
}

export const silent: Telemetry = {
  run: null,
  phase: 'joined',
  round: 0,
  step: 0,
  lossNats: 0,
  tokensPerSecond: 0,
  sentBytes: 0,
  receivedBytes: 0,
  error: null,
}

export type Members = ReadonlyMap<WorkerId, ClusterMember>

/** Bound on remembered members, so that peers who come and go with fresh ids cannot grow the head's memory. */
export const maxClusterMembers = 1024

/**
 * Adds or renews a member. A returning worker keeps its name. When the table is full, the member that is gone the longest
 * makes place; null when all are there.
 */
export function joined(
  members: Members,
  worker: Omit<ClusterMember, 'name' | 'lastSeenMs' | 'disconnectedMs' | 'telemetry'>,
  now: number,
): Members | null {
  const known = members.get(worker.id)
  const next = new Map(members)
  if (known === undefined && members.size >= maxClusterMembers) {
    const gone = longestGone(members, now)
    if (gone === undefined) return null
    next.delete(gone)
  }
  // Not by size: a name is never given twice while its bearer is remembered.
  const name =
    known?.name ??
    `w${1 + Math.max(0, ...[...members.values()].map((member) => Number(member.name.slice(1))))}`
  return next.set(worker.id, {
    ...worker,
    name,
    lastSeenMs: now,
    disconnectedMs: null,
    telemetry: silent,
  })
}

export function heard(members: Members, worker: WorkerId, telemetry: Telemetry, now: number): Members {
  const known = members.get(worker)
  if (known === undefined) return members
  return new Map(members).set(worker, { ...known, telemetry, lastSeenMs: now, disconnectedMs: null })
}

export function disconnected(members: Members, worker: WorkerId, now: number): Members {
  const known = members.get(worker)
  if (known === undefined || known.disconnectedMs !== null) return members
  return new Map(members).set(worker, { ...known, disconnectedMs: now })
}

/** It said goodbye: not there any more, but remembered, since epochs are paid after their last round. */
export function left(members: Members, worker: WorkerId): Members {
  const known = members.get(worker)
  return known === undefined
    ? members
    : new Map(members).set(worker, { ...known, disconnectedMs: Number.NEGATIVE_INFINITY })
}

function longestGone(members: Members, now: number): WorkerId | undefined {
  return [...members.values()]
    .filter((member) => !isAlive(member, now))
    .sort((a, b) => a.lastSeenMs - b.lastSeenMs)[0]?.id
}

/** Whether a member still counts as there. */
export function isAlive(member: ClusterMember, now: number): boolean {
  if (now - member.lastSeenMs > deadMs) return false
  return member.disconnectedMs === null || now - member.disconnectedMs <= disconnectGraceMs
}
