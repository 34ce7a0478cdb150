import type { RunReport, WorkerReport } from '../protocol/report.ts'
import type { Injected } from './schedule.ts'

export interface FaultCost {
  /** From its beginning to the next closed round; null when there was none. */
  readonly nextRoundMs: number | null
  /** Contributions of whom it was done to (for a head or the chain: of all) that the rounds it touched went without. */
  readonly lostContributions: number
}

/** What one fault cost. `closedAtMs`: when each round was seen closed. */
export function costOf(
  { fault, target, beganAtMs, endedAtMs }: Injected,
  report: RunReport,
  closedAtMs: ReadonlyMap<number, number>,
  workerNamed: ReadonlyMap<string, WorkerReport['id']>,
): FaultCost {
  const after = [...closedAtMs].filter(([, at]) => at > beganAtMs).sort(([, a], [, b]) => a - b)
  const first = after[0]
  if (first === undefined) return { nextRoundMs: null, lostContributions: 0 }
  const hit = new Set(target.split(' ').flatMap((name) => workerNamed.get(name) ?? []))
  const concerns = (worker: WorkerReport['id']) => fault.worker === null || hit.has(worker)
  let lost = 0
  for (const [round, at] of after) {
    const { members, admitted } = report.rounds[round]!
    const missing = [...members].filter((worker) => concerns(worker) && !admitted.includes(worker))
    const absent = fault.worker === null ? 0 : [...hit].filter((worker) => !members.includes(worker)).length
    lost += missing.length + absent
    if (at > endedAtMs && missing.length + absent === 0) break
  }
  return { nextRoundMs: first[1] - beganAtMs, lostContributions: lost }
}

export interface KindCost {
  readonly kind: string
  readonly times: number
  readonly downSeconds: number
  readonly lostContributions: number
  readonly medianNextRoundMs: number | null
  readonly longestNextRoundMs: number | null
}

/** The costs of all faults of a kind, kinds by name. */
export function costsByKind(costs: readonly (Injected & FaultCost)[]): readonly KindCost[] {
  const kinds = [...new Set(costs.map(({ fault }) => fault.kind))].sort()
  return kinds.map((kind) => {
    const these = costs.filter(({ fault }) => fault.kind === kind)
    const waits = these.flatMap(({ nextRoundMs }) => nextRoundMs ?? []).sort((a, b) => a - b)
    return {
      kind,
      times: these.length,
      downSeconds: these.reduce((sum, { beganAtMs, endedAtMs }) => sum + endedAtMs - beganAtMs, 0) / 1_000,
      lostContributions: these.reduce((sum, { lostContributions }) => sum + lostContributions, 0),
      medianNextRoundMs: waits[waits.length >> 1] ?? null,
      longestNextRoundMs: waits.at(-1) ?? null,
    }
  })
}

/** Median time between two closed rounds, in milliseconds. */
export function medianRoundMs(closedAtMs: ReadonlyMap<number, number>): number {
  const at = [...closedAtMs.values()].sort((a, b) => a - b)
  const gaps = at.slice(1).map((time, index) => time - at[index]!)
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 0
}
