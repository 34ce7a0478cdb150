import { expect, test } from 'vitest'
import { chooseEngine } from './choose-engine.ts'
import type { EngineName } from './engine-names.ts'
import { parseEngine } from './engine-names.ts'
import type { Missing, Probe } from './engines.ts'

const runs = (stepMs: number): Probe => ({ engineClass: 'x', stepMs, lossNats: 1, tokens: 1 })
const absent: Missing = { reason: 'no driver', fix: 'install it' }

function host(engines: Partial<Record<EngineName, Probe>>) {
  const asked: EngineName[] = []
  const probe = async (name: EngineName) => {
    asked.push(name)
    return engines[name] ?? absent
  }
  return { asked, probe }
}

test('without a card auto is the processor, and nothing is tried', async () => {
  const { asked, probe } = host({})
  expect(await chooseEngine('auto', [], undefined, probe)).toEqual({ name: 'ort-cpu', passedOver: [] })
  expect(asked).toEqual([])
})

test('with cards auto takes what is fastest, and says what does not run', async () => {
  const { probe } = host({ 'ort-webgpu': runs(20), 'ort-cpu': runs(90) })
  expect(await chooseEngine('auto', ['cuda'], undefined, probe)).toEqual({
    name: 'ort-webgpu',
    passedOver: [{ name: 'ort-cuda', ...absent }],
  })
  const slow = host({ 'ort-webgpu': runs(900), 'ort-cpu': runs(90) })
  expect((await chooseEngine('auto', ['webgpu'], undefined, slow.probe)).name).toBe('ort-cpu')
})

test('an engine that was asked for is used where it runs, and the processor where it does not', async () => {
  const { probe } = host({ 'ort-wasm': runs(400) })
  expect((await chooseEngine('ort-wasm', [], undefined, probe)).name).toBe('ort-wasm')
  expect(await chooseEngine('ort-cuda', [], undefined, probe)).toEqual({
    name: 'ort-cpu',
    passedOver: [{ name: 'ort-cuda', ...absent }],
  })
})

test('names', () => {
  expect(parseEngine('auto')).toBe('auto')
  expect(parseEngine('tfjs')).toBe('tfjs')
  expect(() => parseEngine('abacus')).toThrow(
    expect.objectContaining({ code: 'ENGINE_UNKNOWN', exit: 'usage' }),
  )
})
