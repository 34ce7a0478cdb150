import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ortCpuEngine } from '../engine/ort-cpu.ts'
import { keepSpeed, knownSpeed, measureSpeed } from './reference-speed.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-speed-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('the figure comes from real steps of the engine: one more than are measured', async () => {
  const engine = ortCpuEngine()
  const losses: number[] = []
  let closed = false
  const watched: typeof engine = {
    ...engine,
    loadTraining: async (...args) => {
      const session = await engine.loadTraining(...args)
      return {
        ...session,
        step: async (...step) => {
          const result = await session.step(...step)
          losses.push(result.lossNats)
          return result
        },
        close: async () => {
          closed = true
          await session.close()
        },
      }
    },
  }
  const speed = await measureSpeed(watched, 2, AbortSignal.timeout(30_000))
  expect(speed).toBeGreaterThan(0)
  expect(losses).toHaveLength(3)
  // Copying its input is soon learnt: the steps change the weights.
  expect(losses[2]).toBeLessThan(losses[0]!)
  expect(closed).toBe(true)
})

test('an aborted measurement ends, with its session closed', async () => {
  await expect(measureSpeed(ortCpuEngine(), 1_000, AbortSignal.abort(new Error('stopped')))).rejects.toThrow(
    'stopped',
  )
})

test('kept for this engine only; what else is in the file is measured again', async () => {
  expect(await knownSpeed(folder, 'a')).toBeUndefined()
  await keepSpeed(folder, 'a', 7_000)
  expect(await knownSpeed(folder, 'a')).toBe(7_000)
  expect(await knownSpeed(folder, 'b')).toBeUndefined()
  for (const text of [
    '',
    '{',
    'null',
    '{"reference":0,"engineClass":"a","tokensPerSecond":1}',
    '{"tokensPerSecond":-1}',
  ]) {
    await writeFile(path.join(folder, 'speed.json'), text)
    expect(await knownSpeed(folder, 'a')).toBeUndefined()
  }
})
