import { expect, test } from 'vitest'
import { boundaryHash } from '../../verification/trace.ts'
import { threadedHasher } from './threaded-hasher.ts'

const vectors = [new Float32Array(70_000).map((_, index) => index / 7), Float32Array.of(1, 2)]

test('the hash is of the values at the call, on the thread and, while that is at one, here', async () => {
  const hasher = threadedHasher()
  for (const step of [1, 2]) {
    const wanted = [boundaryHash(step, vectors)]
    const hashes = [hasher.hash(step, vectors)]
    vectors[0]![3] = -step
    wanted.push(boundaryHash(step, vectors))
    hashes.push(hasher.hash(step, vectors))
    vectors[1]![0] = 9
    expect(await Promise.all(hashes)).toEqual(wanted)
  }
  const last = hasher.hash(3, vectors)
  await hasher.close()
  expect(await last).toBe(boundaryHash(3, vectors))
})
