import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from './cluster.ts'
import { inject } from './inject.ts'
import type { Fault } from './plan.ts'

/** A fault as it happened. Times are of performance.now(). */
export interface Injected {
  readonly fault: Fault
  /** To whom it was done: names of nodes. */
  readonly target: string
  readonly beganAtMs: number
  readonly endedAtMs: number
}

/**
 * Does the planned faults in their rounds. What would leave a run without a quorum of workers, or do two things to one
 * node at once, waits until the one before is undone.
 */
export class FaultSchedule {
  readonly #cluster: ChaosCluster
  readonly #say: (text: string) => void
  readonly #pending: Fault[]
  readonly #busy = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #waiting: (() => void)[] = []
  readonly injected: Injected[] = []
  readonly failures: string[] = []

  constructor(plan: readonly Fault[], cluster: ChaosCluster, say: (text: string) => void) {
    this.#pending = [...plan]
    this.#cluster = cluster
    this.#say = say
  }

  /** Begins what is planned for this round. */
  onRound(round: number): void {
    while (this.#pending.length > 0 && this.#pending[0]!.round <= round) {
      const fault = this.#pending.shift()!
      const done = this.#do(fault)
        .catch((error: unknown) => {
          if (!this.#abort.signal.aborted) this.failures.push(`${fault.kind}: ${error}`)
        })
        .finally(() => this.#underWay.delete(done))
      this.#underWay.add(done)
    }
  }

  /** Begins no more, and resolves when all that was done is undone. */
  async end(): Promise<void> {
    this.#abort.abort()
    for (const wake of this.#waiting.splice(0)) wake()
    await Promise.all(this.#underWay)
  }

  async #do(fault: Fault): Promise<void> {
    const { signal } = this.#abort
    await sleep(fault.afterMs, undefined, { signal })
    const keys = keysOf(fault)
    while (!this.#isFree(keys)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      signal.throwIfAborted()
    }
    for (const key of keys) this.#busy.add(key)
    const beganAtMs = performance.now()
    this.#say(
      `  ${fault.kind}${fault.worker === null ? '' : ` w${fault.worker + 1}`} for ${fault.lengthMs} ms`,
    )
    try {
      const target = await inject(fault, this.#cluster)
      this.injected.push({ fault, target, beganAtMs, endedAtMs: performance.now() })
    } finally {
      for (const key of keys) this.#busy.delete(key)
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }

  /** At least a quorum of half, and one worker more, is always left alone. */
  #isFree(keys: readonly string[]): boolean {
    if (keys.some((key) => this.#busy.has(key))) return false
    const workers = [...this.#busy, ...keys].filter((key) => key.startsWith('w')).length
    return (
      !keys.some((key) => key.startsWith('w')) ||
      workers <= Math.max(1, (this.#cluster.workers.length >> 1) - 1)
    )
  }
}

/** What a fault takes hold of. */
function keysOf({ kind, worker, other }: Fault): readonly string[] {
  if (worker === null) return [kind === 'chain-away' ? 'chain' : 'heads']
  // Each of the two still has the head and all others: a quorum is not in danger.
  return other === null ? [`w${worker}`] : [`pair ${worker}`, `pair ${other}`]
}
