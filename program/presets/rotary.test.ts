import { expect, test } from 'vitest'
import { rotaryTables } from './rotary.ts'

test.each([
  [64, 8],
  [2048, 64],
  [100_000, 2],
])(
  '%i places of %i values: sines and cosines of float32 angles, to half a unit in the last place',
  (T, D) => {
    const { cosines, sines } = rotaryTables(T, D)
    for (let place = 0; place < T; place += 1 + Math.floor(T / 500)) {
      for (let pair = 0; pair < D / 2; pair++) {
        const angle = Math.fround(place * Math.fround(10_000 ** ((-2 * pair) / D)))
        const at = place * (D / 2) + pair
        expect(Math.abs(cosines[at]! - Math.cos(angle))).toBeLessThan(6e-8)
        expect(Math.abs(sines[at]! - Math.sin(angle))).toBeLessThan(6e-8)
      }
    }
  },
)
