import { afterEach, expect, test, vi } from 'vitest'
import type { EngineName } from '../worker/engine/engine-names.ts'
import { probeEngine } from '../worker/engine/engines.ts'
import { doctorCommand } from './doctor-command.ts'

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

function printed() {
  const lines: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  return lines
}

/** One real engine; of the others none runs. */
const only =
  (running: EngineName | null): typeof probeEngine =>
  async (name, signal) =>
    name === running ? await probeEngine(name, signal) : { reason: 'absent', fix: `install ${name}` }

test('a real step on what runs, and a fix for what does not', async () => {
  const lines = printed()
  await doctorCommand({}, only('ort-cpu'))
  expect(lines.find((line) => line.includes('ort-cpu'))).toMatch(
    /^runs {5}ort-cpu {5}\d+ ms a step, \d+ tokens\/s, loss \d\.\d{4} \(ort-cpu\/1\.30\.0/,
  )
  expect(lines.find((line) => line.includes('ort-cuda'))).toMatch(
    /^missing {2}ort-cuda .*absent\n +fix: install/,
  )
  expect(process.exitCode).toBeUndefined()
})

test('without ort-cpu the host cannot train', async () => {
  const lines = printed()
  await doctorCommand({ json: true }, only(null))
  expect(JSON.parse(lines.join(''))).toMatchObject({
    ok: false,
    engines: expect.arrayContaining([
      { name: 'ort-cpu', available: false, reason: 'absent', fix: 'install ort-cpu' },
    ]),
  })
  expect(process.exitCode).toBe(1)
})
