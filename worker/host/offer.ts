import type { NodeOffer } from '../../protocol/wire.ts'
import type { DeviceKind } from '../engine/engine.ts'
import type { Device } from './gpus.ts'
import { trainingOn } from './training-device.ts'

/** What is learnt while the node already works. */
export interface Learnt {
  readonly gpus: readonly Device[]
  /** Of the device that trains, on the reference program. */
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

/** @param trainsOn what the engine computes on */
export function createOffer(described: NodeOffer, trainsOn: DeviceKind = 'cpu'): Offer {
  let offer = described
  let speed = Math.max(0, ...described.devices.map(({ tokensPerSecond }) => tokensPerSecond))
  return {
    current: () => offer,
    improve: ({ tokensPerSecond, gpus, ...line }) => {
      speed = tokensPerSecond ?? speed
      const processors = offer.devices.filter(({ kind }) => kind === 'cpu')
      const devices = gpus === undefined ? offer.devices : [...processors, ...gpus]
      offer = { ...offer, ...line, devices: [...trainingOn(devices, trainsOn, speed)] }
    },
  }
}
