import { MurmurError } from '../protocol/errors.ts'
import type { CidText, RunId, WorkerId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { AuditReport, RunPhase } from '../protocol/report.ts'

/** What a closed round amounts to: told in its event, and kept as the run's metrics. */
export interface RoundFigures {
  readonly epoch: number
  /** Token-weighted mean over the admitted workers; null in a void round. */
  readonly trainLossNats: number | null
  /** Of admitted contributions. */
  readonly tokens: number
  /** Since the round before closed, or since the run began; 0 when that is not known. */
  readonly seconds: number
  readonly tokensPerSecond: number
  /** Sent and received by all workers since the round before. */
  readonly bytes: number
  /** Workers admitted, of `members`. */
  readonly workers: number
  readonly members: number
  readonly refused: readonly string[]
}

/** What can happen, by kind, and what is told of it beside the text. */
export type EventBody =
  | { readonly kind: 'phase'; readonly data: { readonly phase: RunPhase; readonly pending: string | null } }
  | { readonly kind: 'round-opened'; readonly data: { readonly epoch: number; readonly members: number } }
  | { readonly kind: 'round-closed'; readonly data: RoundFigures }
  | { readonly kind: 'worker-joined' | 'worker-lost'; readonly data: { readonly status: string } }
  | { readonly kind: 'worker-error'; readonly data: { readonly error: string } }
  | { readonly kind: 'audit'; readonly data: AuditReport }
  | { readonly kind: 'epoch-settled'; readonly data: { readonly epoch: number; readonly paid: string } }
  | { readonly kind: 'checkpoint'; readonly data: { readonly epoch: number; readonly cid: CidText } }
  | {
      readonly kind: 'evaluation'
      readonly data: {
        readonly step: number
        readonly heldOutLossNats: number
        /** Where the run classifies. */
        readonly heldOutAccuracy?: number
      }
    }
  | { readonly kind: 'note'; readonly data?: undefined }

export type NewEvent = EventBody & {
  readonly run: RunId | null
  readonly round: number | null
  readonly worker: WorkerId | null
  readonly code: string
  readonly text: string
  /** When it happened, if not now. Milliseconds since the epoch. */
  readonly at?: number
}

export type ClusterEvent = NewEvent & { readonly sequence: number; readonly at: number }

export interface EventPage {
  /** Oldest first. */
  readonly events: readonly ClusterEvent[]
  /** Ask with this as `since` for what comes after. */
  readonly next: number
  readonly newest: number
  /** True when events after `since` are not kept any more, or were told by a head that has ended. */
  readonly gap: boolean
}

export interface EventFeedOptions {
  /** Events kept for replay. */
  readonly capacity?: number
  /** A subscriber that is further behind than this is dropped: SUBSCRIBER_SLOW. */
  readonly maxBehind?: number
}

/** A line of text about 1 kB long says enough; peers write some of them. */
const maxTextChars = 1_000
const maxCodeChars = 64
const pageEvents = 256

/**
 * What happens on a head, in order. The newest events are kept in a ring; a subscriber is only a place in it, so that
 * however many there are and however slow, they cost the head no memory.
 *
 * Sequence numbers begin with the time at which the feed was made, in milliseconds: after a restart they are higher than
 * before, and whoever asks for what came after an old number is told that there is a gap.
 */
export class EventFeed {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #maxBehind: number
  readonly #ring: ClusterEvent[] = []
  readonly #listeners = new Set<(event: ClusterEvent) => void>()
  readonly #first: number
  #newest: number
  #changed = Promise.withResolvers<void>()

  constructor(clock: Clock, { capacity = 10_000, maxBehind = 2_000 }: EventFeedOptions = {}) {
    this.#clock = clock
    this.#capacity = capacity
    this.#maxBehind = Math.min(maxBehind, capacity)
    this.#newest = Math.floor(clock.now())
    this.#first = this.#newest + 1
  }

  /** Sequence number of the last event; before the first one, the number before it. */
  get newest(): number {
    return this.#newest
  }

  /** Sequence number of the oldest event that is kept. */
  get oldest(): number {
    return Math.max(this.#first, this.#newest - this.#capacity + 1)
  }

  append(event: NewEvent): ClusterEvent {
    const told = {
      ...event,
      code: event.code.slice(0, maxCodeChars),
      text: event.text.slice(0, maxTextChars),
      at: event.at ?? this.#clock.now(),
      sequence: ++this.#newest,
    } as ClusterEvent
    this.#ring[told.sequence % this.#capacity] = told
    for (const listener of this.#listeners) listener(told)
    this.#wake()
    return told
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }

  /** Calls `listener` with each event as it is appended; it must not throw. Returns an unsubscribe function. */
  listen(listener: (event: ClusterEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The events after `since`; 0 stands for all that are kept. */
  since(since: number, limit = pageEvents): EventPage {
    const asked = since === 0 ? this.#first - 1 : since
    const known = asked >= this.#first - 1 && asked <= this.#newest
    const from = known ? Math.max(asked + 1, this.oldest) : this.oldest
    const to = Math.min(this.#newest, from + limit - 1)
    const events: ClusterEvent[] = []
    for (let sequence = from; sequence <= to; sequence++) events.push(this.#ring[sequence % this.#capacity]!)
    return { events, next: to, newest: this.#newest, gap: !known || asked + 1 < this.oldest }
  }

  /**
   * Pages of events after `since` (default: from now on), for as long as they are asked for and `signal` does not
   * abort. A page is never empty, but the first one when it tells a gap.
   * @throws MurmurError SUBSCRIBER_SLOW when the reader has fallen too far behind.
   */
  async *follow(since: number | undefined, signal: AbortSignal): AsyncGenerator<EventPage, void, void> {
    let place = since ?? this.#newest
    let begun = false
    // Not a race with a promise of the signal's own: that would keep a reaction of every wait.
    const abort = () => this.#wake()
    signal.addEventListener('abort', abort, { once: true })
    try {
      while (!signal.aborted) {
        // Replay may begin anywhere; from then on the reader has to keep up.
        if (begun && this.#newest - place > this.#maxBehind) throw slow(this.#newest - place)
        const changed = this.#changed.promise
        const page = this.since(place)
        place = page.next
        if (page.events.length > 0 || (page.gap && !begun)) {
          yield page
          begun ||= place === this.#newest
        } else {
          begun = true
          await changed
        }
      }
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}

function slow(behind: number): MurmurError {
  return new MurmurError('SUBSCRIBER_SLOW', {
    message: `the reader is ${behind} events behind`,
    next: 'connect again with the last sequence number that was read, and read faster',
  })
}
