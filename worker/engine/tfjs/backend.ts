import { createRequire } from 'node:module'
import type * as TensorFlow from '@tensorflow/tfjs-core'

export type Tf = typeof TensorFlow

const require = createRequire(import.meta.url)

/** Native kernels that a user may have installed, best first. */
const native = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** The first of the native packages that loads, otherwise tfjs's own kernels as WebAssembly. */
export async function openBackend(load: (name: string) => unknown = require): Promise<Tf> {
  restoreUtil()
  for (const name of native) {
    try {
      const tf = load(name) as Tf
      await tf.ready()
      return tf
    } catch {
      // Not installed, or its library does not load here: the next one.
    }
  }
  const tf = load('@tensorflow/tfjs-core') as Tf
  const wasm = load('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm')
  wasm.setThreadsCount(1)
  if (!(await tf.setBackend('wasm')))
    throw new Error('the kernels of @tensorflow/tfjs-backend-wasm do not load')
  return tf
}

interface OldUtil {
  isNullOrUndefined?: (value: unknown) => boolean
  isArray?: (value: unknown) => boolean
}

/** What tfjs-node 4.22 still asks of Node's `util`, which Node 23 took out. */
export function restoreUtil(util: OldUtil = require('node:util')): void {
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  util.isArray ??= Array.isArray
}
