import { expect, test } from 'vitest'
import { chooseCard } from './choose-card.ts'

const search = { root: '/nowhere', nvidiaSmi: async () => 'NVIDIA A, 81559\nNVIDIA B, 24576\n' }

test('the card that is named is the only one that CUDA shows; without --gpus all are there, with none no card is used', async () => {
  const environment: NodeJS.ProcessEnv = {}
  expect(await chooseCard(undefined, environment, search)).toBe(true)
  expect(await chooseCard('none', environment, search)).toBe(false)
  expect(environment).toEqual({})
  expect(await chooseCard('1', environment, search)).toBe(true)
  expect(environment).toEqual({ CUDA_VISIBLE_DEVICES: '1' })
})

test.each([
  ['2', 'GPU_NOT_FOUND', '0: NVIDIA A, 1: NVIDIA B', 'infeasible'],
  ['0,1', 'ONE_GPU_A_NODE', 'names 2', 'infeasible'],
  ['first', 'START_UNCLEAR', 'is not a card', 'usage'],
])('--gpus %s is refused', async (list, code, message, exit) => {
  const environment: NodeJS.ProcessEnv = {}
  await expect(chooseCard(list, environment, search)).rejects.toMatchObject({
    ...{ code, exit },
    message: expect.stringContaining(message),
  })
  expect(environment).toEqual({})
})
