import { expect, test } from 'vitest'
import { failed } from './simulate.ts'
import { simulateProgram } from './simulate-program.ts'

test('a real program: every rule holds, the loss falls, and equal seeds have equal histories', async () => {
  const play = () => simulateProgram('gpt-tiny', 3, { workers: 3, rounds: 4 })
  const [first, second] = [await play(), await play()]
  expect(failed(first) ? first : null).toBeNull()
  expect(second.trace).toBe(first.trace)
})
