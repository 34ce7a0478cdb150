import type { Engine } from './engine.ts'
import { aboutEngine } from './engine-class.ts'
import { type EngineOptions, engineOf } from './engine-of.ts'
import { ortLoader } from './ort-loader.ts'
import { ortNode } from './ort-node.ts'

/**
 * onnxruntime on the processor. Runs block the thread they are started on for their whole length: a node that must
 * answer others meanwhile uses threaded-engine.ts.
 */
export function ortCpuEngine({ threads = 1, ...options }: EngineOptions = {}): Engine {
  return engineOf(aboutEngine('ort-cpu', threads), ortLoader(ortNode, 'cpu', threads), options)
}
