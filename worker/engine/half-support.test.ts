import { Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { assertTakesHalf } from './half-support.ts'
import { ortNode } from './ort-node.ts'

const one = new Tensor('float32', Float32Array.of(1), [1, 1])

test('an engine that takes a product in float16 is taken', async () => {
  await assertTakesHalf((program) => ortNode.InferenceSession.create(program, {}), one)
})

test('one whose shaders cannot is refused with a code, and its session is released', async () => {
  let released = 0
  const create = async () => ({
    run: () => Promise.reject(new Error('Program MatMul requires f16 but the device does not support it.')),
    release: async () => {
      released++
    },
  })
  await expect(assertTakesHalf(create, one)).rejects.toMatchObject({
    code: 'ENGINE_LACKS_F16',
    next: expect.stringContaining('ort-cpu'),
  })
  expect(released).toBe(1)
})
