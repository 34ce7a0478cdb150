import type { Engine } from '../engine.ts'
import { aboutEngine } from '../engine-class.ts'
import { type EngineOptions, engineOf } from '../engine-of.ts'
import { openBackend } from './backend.ts'
import { interpret } from './interpret.ts'

/**
 * An interpreter of programs, node by node, on the kernels of TensorFlow.js: a second reading of the same graphs, which
 * shares no code with onnxruntime. Slow; integers are held in 32 bits.
 */
export async function tfjsEngine(options: Omit<EngineOptions, 'threads'> = {}): Promise<Engine> {
  return engineOf(aboutEngine('tfjs', 1), interpret(await openBackend()), options)
}
