import type { DeviceKind } from '../engine/engine.ts'
import type { Device } from './gpus.ts'

/**
 * The devices of a host of which one trains: the first of the engine's kind, else its first card, which that engine then
 * drives, else one that the drivers tell nothing of (software that stands for a card).
 * @param devices the processor first
 */
export function trainingOn(
  devices: readonly Device[],
  kind: DeviceKind,
  tokensPerSecond: number,
): readonly Device[] {
  const ofKind = devices.findIndex((device) => device.kind === kind)
  const used = ofKind === -1 ? devices.findIndex((device) => device.kind !== 'cpu') : ofKind
  const rest = devices.map((device, index) =>
    index === used ? { ...device, kind, tokensPerSecond } : { ...device, tokensPerSecond: 0 },
  )
  if (used !== -1) return rest
  const memoryBytes = devices[0]?.memoryBytes ?? 0
  return [...rest, { kind, name: 'software adapter', memoryBytes, tokensPerSecond }]
}
