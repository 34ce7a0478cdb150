import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { mostHashedApart } from '../../program/memory.ts'
import type { Hash } from '../../protocol/ids.ts'
import type { HashAnswer, HashRequest } from './hash-thread.ts'
import { type Hasher, hasherHere } from './hasher.ts'

/**
 * Hashes a copy on a thread of its own, so that who asks waits for the copy alone, a small part of what SHA-256 takes. There
 * is one copy, which goes to the thread and comes back; what is asked for meanwhile is hashed at once, where it is asked, and so
 * is a state whose copy would take too much memory.
 */
export function threadedHasher(): Hasher {
  let thread: Worker | null = null
  let copy: HashRequest['vectors'] = []
  let away: Promise<Hash> | null = null

  const sent = async (request: HashRequest): Promise<Hash> => {
    thread ??= new Worker(new URL('./hash-thread.ts', import.meta.url))
    const buffers = request.vectors.map(({ buffer }) => buffer)
    thread.postMessage(request, buffers)
    const [answer] = (await once(thread, 'message')) as [HashAnswer]
    copy = answer.vectors
    away = null
    return answer.hash
  }

  return {
    hash: (step, vectors) => {
      const bytes = vectors.reduce((sum, { byteLength }) => sum + byteLength, 0)
      if (away !== null || bytes > mostHashedApart) return hasherHere.hash(step, vectors)
      if (copy.length === 0) copy = vectors.map(({ length }) => new Float32Array(length))
      for (const [index, vector] of copy.entries()) vector.set(vectors[index]!)
      away = sent({ step, vectors: copy })
      return away
    },
    close: async () => {
      await away?.catch(() => {})
      await thread?.terminate()
    },
  }
}
