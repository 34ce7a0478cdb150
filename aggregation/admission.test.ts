import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { workerId } from '../protocol/ids.ts'
import { admit, type Submission } from './admission.ts'
import { sparseLoCo } from './sparse-loco.ts'

const compressor = sparseLoCo({ chunkSize: 8, k: 4, beta: 0 })
const parameterCount = 8
const rules = { compressor, parameterCount }

function submission(worker: string, values: readonly number[], scale = 1): Submission {
  const delta = Float32Array.from(values, (value) => value * scale)
  return ofBytes(worker, compressor.compress(delta, compressor.init(parameterCount)).bytes)
}

const ofBytes = (worker: string, bytes: Uint8Array): Submission => ({
  worker: workerId(worker),
  contribution: contentId(bytes, 'raw'),
  bytes,
  tokens: 10,
})

const ada = submission('ada', [1, 2, 3, 4, 5, 6, 7, 8])
const bob = submission('bob', [-1, 2, -3, 4, -5, 6, -7, 8])
const cleo = submission('cleo', [8, 7, 6, 5, 4, 3, 2, 1])

test('admits honest contributions in the order given', () => {
  const { admitted, refused } = admit([cleo, ada, bob], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['cleo', 'ada', 'bob'])
  expect(refused).toEqual([])
})

test('of the same bytes twice, the one that committed first counts', () => {
  const thief = { ...ada, worker: workerId('thief') }
  const { admitted, refused } = admit([bob, ada, thief], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['bob', 'ada'])
  expect(refused).toEqual([{ worker: 'thief', code: 'COPY', reason: expect.stringContaining('ada') }])
})

test('what does not decode for this program is refused, and counts for no median', () => {
  const { admitted, refused } = admit([ofBytes('mallory', new Uint8Array(40)), ada, bob], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['ada', 'bob'])
  expect(refused).toMatchObject([{ worker: 'mallory', code: 'CONTRIBUTION_MALFORMED' }])
})

test('a scaled-up contribution is refused, a short one is not', () => {
  const loud = submission('loud', [1, 2, 3, 4, 5, 6, 7, 8], 8.5)
  const faint = submission('faint', [1, 2, 3, 4, 5, 6, 7, 8], 0.01)
  const { admitted, refused } = admit([loud, ada, bob, cleo, faint], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['ada', 'bob', 'cleo', 'faint'])
  expect(refused).toMatchObject([{ worker: 'loud', code: 'NORM_TOO_LARGE' }])
  expect(admit([loud, ada, bob, cleo], { ...rules, normFactor: 9 }).refused).toEqual([])
})

test('between two contributions no norm is the usual one', () => {
  const loud = submission('loud', [1, 2, 3, 4, 5, 6, 7, 8], 100)
  expect(admit([loud, ada], rules).admitted).toHaveLength(2)
})
