import { parentPort } from 'node:worker_threads'
import { invariant } from '../../protocol/errors.ts'
import type { Hash } from '../../protocol/ids.ts'
import { boundaryHash } from '../../verification/trace.ts'

/** What the thread is given: vectors of which each has a buffer of its own, to be hashed and given back. */
export interface HashRequest {
  readonly step: number
  readonly vectors: readonly Float32Array<ArrayBuffer>[]
}

export interface HashAnswer extends Pick<HashRequest, 'vectors'> {
  readonly hash: Hash
}

const port = parentPort
invariant(port !== null, 'this file runs as a thread')
port.on('message', (request: HashRequest | null) => {
  if (request === null) return port.close()
  const { step, vectors } = request
  const answer: HashAnswer = { hash: boundaryHash(step, vectors), vectors }
  port.postMessage(
    answer,
    vectors.map(({ buffer }) => buffer),
  )
})
