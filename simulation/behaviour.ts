import type { CidText } from '../protocol/ids.ts'
import type { Gossip } from '../protocol/wire.ts'
import type { SimulatedWorker } from './simulated-worker.ts'
import type { Inputs, Output } from './training.ts'

/** What a worker does otherwise than an honest one. Everything that is not given is done honestly. */
export interface Behaviour {
  readonly name: string
  /** What it trains of what it was asked for. */
  trains?(worker: SimulatedWorker, asked: Inputs): Inputs
  /** What it claims to have trained. */
  claims?(worker: SimulatedWorker, trained: Output, asked: Inputs): Output
  /** What it says in place of a message; nothing at all for an empty list. */
  say?(worker: SimulatedWorker, message: Gossip): readonly Gossip[]
  /** Whether it gives a block to whoever asks. */
  serves?(worker: SimulatedWorker, cid: CidText): boolean
  /** Hears all gossip that an honest worker hears. */
  hears?(worker: SimulatedWorker, message: Gossip): void
  /** Called every second. */
  idle?(worker: SimulatedWorker): void
}

export const honest: Behaviour = { name: 'honest' }
