import { expect, test } from 'vitest'
import { attacks } from './attacks.ts'
import { playCell } from './cell.ts'
import { contenders } from './contenders.ts'
import { openTask } from './task.ts'

test('one cell of the bench, small: the recommended rule withstands what carries the mean away', async () => {
  const rounds = 3
  await using task = await openTask({ rounds, sent: 'signs' })
  const play = (rule: string, attackName: string | null) =>
    playCell(task, {
      ...{ members: 4, rounds, seed: 3 },
      contender: contenders.find(({ name }) => name === rule)!,
      attack: attacks.find(({ name }) => name === attackName) ?? null,
      attackers: attackName === null ? 0 : 1,
    })
  const clean = await play('mean', null)
  const attacked = await play('mean', 'loud-ipm')
  const withstood = await play('geometric-median', 'loud-ipm')
  expect(clean.lossNats).toBeLessThan(5.3)
  expect(attacked.lossNats).toBeGreaterThan(1.2 * clean.lossNats)
  expect(withstood.lossNats).toBeLessThan(1.1 * clean.lossNats)
  expect(await play('geometric-median', 'loud-ipm')).toEqual(withstood)
})
