import { expect, test } from 'vitest'
import type { CheckedProgram } from '../../program/check-program.ts'
import { type OrtRuntime, ortLoader } from './ort-loader.ts'

test('what onnxruntime answers with goes at once, unless it is what it was told to write to', async () => {
  const written = Float32Array.of(1)
  const copy = Float32Array.of(2)
  const answers = { copied: { data: copy }, given: { data: written } }
  const runtime = {
    ...{ writesResults: true, Tensor: class {} },
    InferenceSession: { create: async () => ({ run: async () => answers, release: async () => {} }) },
  } as unknown as OrtRuntime
  const program = await ortLoader(runtime, 'cpu', 1)(new Uint8Array(), { compute: 'f32' } as CheckedProgram)
  const result = { data: new Float32Array(1), shape: [1] }
  // Names that it does not answer to are left as they are.
  await program.run({}, { copied: result, given: { data: written, shape: [1] }, unheard: result })
  expect([copy.length, written.length, result.data.length]).toEqual([0, 1, 1])
})
