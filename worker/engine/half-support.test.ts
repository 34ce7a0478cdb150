import { Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { assertTakesHalf } from './half-support.ts'
import { ortNode } from './ort-node.ts'

const one = new Tensor('float32', Float32Array.of(1), [1, 1])

test('an engine that takes a product in float16 is taken', async () => {
  await assertTakesHalf((program) => ortNode.InferenceSession.create(program, {}), one)
})

test('one whose shaders cannot is refused with a code, after two tries whose sessions are released', async () => {
  let released = 0
  const create = async () => ({
    run: () => Promise.reject(new Error('Program MatMul requires f16 but the device does not support it.')),
    release: async () => {
      released++
    },
  })
  let pauses = 0
  const pause = async () => {
    pauses++
  }
  await expect(assertTakesHalf(create, one, pause)).rejects.toMatchObject({
    code: 'ENGINE_LACKS_F16',
    next: expect.stringContaining('ort-cpu'),
  })
  expect([released, pauses]).toEqual([2, 1])
})

test('one that fails once is tried again in a new session, and taken', async () => {
  const events: string[] = []
  const create = async () => {
    const run = async () => {
      events.push('run')
      if (!events.includes('pause')) throw new Error('out of memory')
      return {}
    }
    return {
      run,
      release: async () => {
        events.push('release')
      },
    }
  }
  await assertTakesHalf(create, one, async () => events.push('pause'))
  expect(events).toEqual(['run', 'release', 'pause', 'run', 'release'])
})
