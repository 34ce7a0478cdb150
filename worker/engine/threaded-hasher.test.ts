import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { boundaryHash } from '../../verification/trace.ts'
import type { HashRequest } from './hash-thread.ts'
import { threadedHasher } from './threaded-hasher.ts'

const vectors = [new Float32Array(70_000).map((_, index) => index / 7), Float32Array.of(1, 2)]

/** A thread that answers when it is told to. */
class SlowThread extends EventEmitter {
  readonly asked: HashRequest[] = []
  postMessage(request: HashRequest): void {
    this.asked.push(structuredClone(request))
  }
  answer(): void {
    const { step, vectors: given } = this.asked.shift()!
    this.emit('message', { hash: boundaryHash(step, given), vectors: given })
  }
}

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

test('who asks goes on while the thread works; a second state is not kept waiting for it', async () => {
  const thread = new SlowThread()
  const hasher = threadedHasher(() => thread)
  const first = hasher.hash(1, vectors)
  expect(thread.asked).toHaveLength(1)
  expect(await hasher.hash(2, vectors)).toBe(boundaryHash(2, vectors))
  thread.answer()
  expect(await first).toBe(boundaryHash(1, vectors))
  void hasher.hash(3, vectors)
  expect(thread.asked).toHaveLength(1)
})

test('a state above the bound, and any where no thread can be had, is hashed where it is asked', async () => {
  const thread = new SlowThread()
  const small = threadedHasher(() => thread, 4 * 70_001)
  expect(await small.hash(1, vectors)).toBe(boundaryHash(1, vectors))
  expect(thread.asked).toEqual([])
  const without = threadedHasher(() => {
    throw new Error('no thread is left')
  })
  expect(await without.hash(2, vectors)).toBe(boundaryHash(2, vectors))
})

test('a thread that ends, for whatever reason, fails the hash it was at and none after', async () => {
  for (const event of ['error', 'messageerror', 'exit']) {
    const thread = new SlowThread()
    const hasher = threadedHasher(() => thread)
    const at = hasher.hash(1, vectors)
    thread.emit(event, event === 'exit' ? 3 : new Error('out of memory'))
    await expect(at).rejects.toThrow(event === 'exit' ? 'ended (3)' : 'out of memory')
    expect(await hasher.hash(2, vectors)).toBe(boundaryHash(2, vectors))
    await hasher.close()
  }
})
