import { Worker } from 'node:worker_threads'
import { mostHashedApart } from '../../program/memory.ts'
import type { Hash } from '../../protocol/ids.ts'
import type { HashAnswer, HashRequest } from './hash-thread.ts'
import { type Hasher, hasherHere } from './hasher.ts'

/** The part of a thread that is used here. */
export interface HashThread {
  /** Null: there is nothing more, and the thread ends. */
  postMessage(request: HashRequest | null, given?: readonly ArrayBuffer[]): void
  on(event: 'message', listener: (answer: HashAnswer) => void): unknown
  on(event: 'error' | 'messageerror' | 'exit', listener: (cause: unknown) => void): unknown
}

const startThread = (): HashThread => new Worker(new URL('./hash-thread.ts', import.meta.url))

/**
 * Hashes a copy on a thread of its own, so that who asks waits for the copy alone, a small part of what SHA-256 takes. There
 * is one copy, which goes to the thread and comes back. What is asked for meanwhile is hashed at once, where it is asked, and so
 * is a state whose copy would take too much memory, or any where no thread can be had.
 */
export function threadedHasher(start = startThread, mostBytes = mostHashedApart): Hasher {
  let thread: HashThread | null = null
  let isGone = false
  let copy: HashRequest['vectors'] = []
  let away: PromiseWithResolvers<Hash> | null = null

  const gone = (cause: unknown) => {
    isGone = true
    away?.reject(cause instanceof Error ? cause : new Error(`the hashing thread ended (${String(cause)})`))
    away = null
  }
  const begin = (): HashThread => {
    const begun = start()
    begun.on('message', ({ hash, vectors }) => {
      copy = vectors
      away?.resolve(hash)
      away = null
    })
    for (const event of ['error', 'messageerror', 'exit'] as const) begun.on(event, gone)
    return begun
  }

  return {
    hash: (step, vectors) => {
      const bytes = vectors.reduce((sum, { byteLength }) => sum + byteLength, 0)
      if (isGone || away !== null || bytes > mostBytes) return hasherHere.hash(step, vectors)
      try {
        thread ??= begin()
      } catch {
        isGone = true
        return hasherHere.hash(step, vectors)
      }
      if (copy.length === 0) copy = vectors.map(({ length }) => new Float32Array(length))
      for (const [index, vector] of copy.entries()) vector.set(vectors[index]!)
      away = Promise.withResolvers<Hash>()
      const { promise } = away
      const buffers = copy.map(({ buffer }) => buffer)
      thread.postMessage({ step, vectors: copy }, buffers)
      return promise
    },
    close: async () => {
      await away?.promise.catch(() => {})
      if (!isGone) thread?.postMessage(null)
    },
  }
}
