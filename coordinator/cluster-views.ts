import type { RunId } from '../protocol/ids.ts'
import { maxMembers } from '../protocol/limits.ts'
import type { NodeReport } from '../protocol/report.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import type { SubmitOptions } from './api/head-control.ts'
import { type ClusterMember, isAlive, livenessOf } from './members.ts'
import type { NodeView, RunView } from './placement/views.ts'
import type { RoundState } from './round/state.ts'
import type { RunCoordinator } from './run.ts'

/** A member as placement sees it. Its speed is what the head measured in its run, where it has one. */
export function nodeViewOf(
  member: ClusterMember,
  run: RunId | null,
  state: RoundState | null,
  now: number,
): NodeView {
  const { id, name, offer, draining } = member
  const standing = state?.members.get(id)
  return {
    id,
    name,
    alive: isAlive(member, now),
    draining: draining !== 'no',
    run,
    devices: offer?.devices ?? [],
    cores: offer?.cores ?? 0,
    memoryBytes: offer?.memoryBytes ?? 0,
    diskBytes: offer?.diskBytes ?? 0,
    upBytesPerSecond: offer?.upBytesPerSecond ?? 0,
    downBytesPerSecond: offer?.downBytesPerSecond ?? 0,
    roundTripMs: offer?.roundTripMs ?? 0,
    labels: new Map(offer?.labels.map(({ key, value }) => [key, value])),
    tokensPerSecond: standing?.tokensPerSecond ?? 0,
    misses: standing?.misses ?? 0,
  }
}

export function runViewOf(
  {
    run,
    spec,
    submittedAt,
    options,
  }: {
    readonly run: RunId
    readonly spec: RunSpec
    readonly submittedAt: number
    readonly options: SubmitOptions
  },
  coordinator: RunCoordinator,
): RunView {
  const { members } = coordinator.state
  // Whoever is assigned and does not get ready takes no place from those who would: all train who are ready, up to `max`.
  const idle = members.count(({ status }) => status === 'warming' || status === 'lost')
  const max = Math.min(maxMembers, spec.workers.max + idle)
  const ejected = members.filter(({ status }) => status === 'ejected')
  return {
    run,
    name: spec.name,
    spec: { ...spec, workers: { ...spec.workers, max } },
    submittedAt,
    priority: options.priority,
    owner: options.owner,
    phase: coordinator.phase,
    members: [...members.keys()],
    excluded: new Set([...ejected.keys(), ...coordinator.declined]),
    programMemoryBytes: coordinator.options.programMemoryBytes,
  }
}

export function nodeReportOf(member: ClusterMember, run: RunId | null, now: number): NodeReport {
  const { id, name, engineClass, telemetry, payout, offer, draining } = member
  return {
    id,
    name,
    engineClass,
    tokensPerSecond: telemetry.tokensPerSecond,
    connected: isAlive(member, now),
    status: draining !== 'no' && isAlive(member, now) ? 'draining' : livenessOf(member, now),
    run: telemetry.run ?? run,
    phase: telemetry.phase,
    payout,
    offer,
  }
}
