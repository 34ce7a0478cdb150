import { expect, test } from 'vitest'
import { peer } from './fixtures/names.ts'
import { slotIndexOf } from './slots.ts'

test('every worker finds its own slot, and whoever has none finds none', () => {
  const slots = Array.from({ length: 33 }, (_, index) => ({ worker: peer(2 * index + 1), steps: 4 }))
  expect(slots.map(({ worker }) => slotIndexOf(slots, worker))).toEqual([...slots.keys()])
  for (let number = 0; number <= 66; number += 2) expect(slotIndexOf(slots, peer(number))).toBe(-1)
  expect(slotIndexOf([], peer(1))).toBe(-1)
})
