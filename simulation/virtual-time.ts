import { invariant } from '../protocol/errors.ts'

interface Scheduled {
  readonly at: number
  readonly sequence: number
  readonly run: () => void
}

const before = (a: Scheduled, b: Scheduled): boolean =>
  a.at < b.at || (a.at === b.at && a.sequence < b.sequence)

/**
 * Time that passes only when something happens: a binary heap of events by (time, sequence), so that what is due at one
 * moment happens in the order in which it was asked for, and equal runs have equal histories.
 */
export class VirtualTime {
  /** Milliseconds since the beginning of the simulation. */
  now = 0
  /** Events that have happened. */
  events = 0
  readonly #heap: Scheduled[] = []
  #holds: Promise<void>[] = []
  #sequence = 0

  get pending(): number {
    return this.#heap.length
  }

  after(delayMs: number, run: () => void): void {
    const event = { at: this.now + Math.max(0, delayMs), sequence: this.#sequence++, run }
    const heap = this.#heap
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = event
  }

  /** Again and again, for as long as `run` gives true. */
  every(intervalMs: number, run: () => boolean): void {
    this.after(intervalMs, () => {
      if (run()) this.every(intervalMs, run)
    })
  }

  /**
   * The event under way goes on in `work`, and time stands still until that is done: for what can only be computed outside
   * of virtual time. Whoever plays must wait for {@link released} before the next event.
   */
  hold(work: Promise<void>): void {
    this.#holds.push(work)
  }

  get isHeld(): boolean {
    return this.#holds.length > 0
  }

  async released(): Promise<void> {
    while (this.#holds.length > 0) {
      const holds = this.#holds
      this.#holds = []
      await Promise.all(holds)
    }
  }

  /** The next event happens; false when there is none. */
  step(): boolean {
    invariant(!this.isHeld, 'what the last event began is done')
    const next = this.#pop()
    if (next === undefined) return false
    this.now = next.at
    this.events++
    next.run()
    return true
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || first === last) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
    return first
  }
}
