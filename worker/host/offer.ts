import type { NodeOffer } from '../../protocol/wire.ts'
import type { Device } from './gpus.ts'

/** What is learnt while the node already works. */
export interface Learnt {
  readonly gpus: readonly Device[]
  /** Of the processor, on the reference program. */
  readonly tokensPerSecond: number
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
  readonly roundTripMs: number
}

/** What a node offers, better known as time goes by. */
export interface Offer {
  /** Another object whenever something is known better: who has told it compares, and tells it again. */
  current(): NodeOffer
  improve(learnt: Partial<Learnt>): void
}

export function createOffer(described: NodeOffer): Offer {
  let offer = described
  return {
    current: () => offer,
    improve: ({ tokensPerSecond, gpus, ...line }) => {
      const processors = offer.devices
        .filter(({ kind }) => kind === 'cpu')
        .map((device) => (tokensPerSecond === undefined ? device : { ...device, tokensPerSecond }))
      const cards = gpus ?? offer.devices.filter(({ kind }) => kind !== 'cpu')
      offer = { ...offer, ...line, devices: [...processors, ...cards] }
    },
  }
}
