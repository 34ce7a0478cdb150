import type { Hash } from '../../protocol/ids.ts'
import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

/** What is settled rests on the sample that the chain names, whatever it named before it was reorganized. */
export function beacons(_: Simulation, expect: Expect): Checker {
  const drawnBy = new Map<string, Set<Hash>>()
  let settled = 0
  return {
    drawn(epoch, beacon, root) {
      const key = `${epoch} ${root}`
      drawnBy.set(key, (drawnBy.get(key) ?? new Set()).add(beacon))
    },
    block(chain) {
      const { settlements, closures } = chain.final
      for (; settled < settlements.length; settled++) {
        const { root } = settlements[settled]!
        const beacon = chain.hashOf(closures[settled]!.block + 1)
        const used = drawnBy.get(`${settled} ${root}`)
        expect(beacon !== undefined && used?.has(beacon) === true, 'canonical-draw', () => [
          `epoch ${settled} is settled under ${root}, drawn by ${[...(used ?? [])].join() || 'nobody'}`,
          `its beacon is ${beacon}`,
        ])
      }
    },
  }
}
