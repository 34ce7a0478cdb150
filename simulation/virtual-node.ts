import type { WorkerId } from '../protocol/ids.ts'
import { Draws } from './draws.ts'
import { peerName } from './names.ts'
import type { Simulation } from './simulation.ts'

/** A process on a host: it can crash, be paused, and have a clock that is wrong. */
export class VirtualNode {
  readonly id: WorkerId
  readonly number: number
  readonly simulation: Simulation
  readonly work: Draws
  up = true
  /** Counts the processes that ran on this host. */
  incarnation = 0
  readonly #life: Draws
  #pausedUntil = 0
  #skewMs = 0

  constructor(simulation: Simulation, number: number) {
    this.simulation = simulation
    this.number = number
    this.id = peerName(number)
    this.work = new Draws(simulation.plan.seed, number, 'work')
    this.#life = new Draws(simulation.plan.seed, number, 'life')
    this.skew()
  }

  /** What this node's clock says, in milliseconds. */
  clock(): number {
    return this.simulation.time.now + this.#skewMs
  }

  skew(): void {
    const { clockSkewMs } = this.simulation.plan.faults
    // Far from 0, so that a clock that is behind is not before the epoch.
    this.#skewMs = 1_000_000_000 + this.#life.between(-clockSkewMs, clockSkewMs)
  }

  pause(durationMs: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.simulation.time.now + durationMs)
  }

  /** Happens on this process after a while: never when it is gone by then, later when it is paused then. */
  after(delayMs: number, run: () => void): void {
    const { incarnation } = this
    this.simulation.time.after(delayMs, () => this.#when(incarnation, run))
  }

  #when(incarnation: number, run: () => void): void {
    if (!this.up || this.incarnation !== incarnation) return
    const { time } = this.simulation
    if (this.#pausedUntil > time.now) {
      time.after(this.#pausedUntil - time.now, () => this.#when(incarnation, run))
      return
    }
    run()
  }

  every(intervalMs: number, run: () => void): void {
    this.after(intervalMs, () => {
      run()
      this.every(intervalMs, run)
    })
  }

  /** Sends a datagram to a process; it handles it if it is still there. */
  send(to: VirtualNode, bytes: number, deliver: () => void): void {
    const { incarnation } = to
    this.simulation.network.send(this, to, bytes, () => to.#when(incarnation, deliver))
  }

  /**
   * Asks `to` and hands the answer over, or null after `timeoutMs`. `answer` gives what is sent back and its length.
   */
  request<T>(
    to: VirtualNode,
    bytes: number,
    timeoutMs: number,
    answer: () => { readonly value: T; readonly bytes: number },
    done: (value: T | null) => void,
  ): void {
    let open = true
    const close = (value: T | null) => {
      if (!open) return
      open = false
      done(value)
    }
    this.after(timeoutMs, () => close(null))
    const { incarnation } = this
    this.send(to, bytes, () => {
      const { value, bytes: length } = answer()
      this.simulation.network.send(to, this, length, () => this.#when(incarnation, () => close(value)))
    })
  }

  crash(): void {
    this.up = false
    this.incarnation++
  }

  restart(): void {
    this.up = true
    this.skew()
  }
}
