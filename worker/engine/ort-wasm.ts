import { env, InferenceSession, Tensor } from 'onnxruntime-web'
import type { Engine } from './engine.ts'
import { aboutEngine } from './engine-class.ts'
import { type EngineOptions, engineOf } from './engine-of.ts'
import { ortLoader } from './ort-loader.ts'

/**
 * onnxruntime as WebAssembly, with fixed-width SIMD and on one thread, so that its bits are the same on every host: the
 * reference that audits and other engines are held against. Three to four times slower than ort-cpu.
 */
export function ortWasmEngine(options: Omit<EngineOptions, 'threads'> = {}): Engine {
  env.wasm.numThreads = 1
  const runtime = { InferenceSession, Tensor, writesResults: false }
  return engineOf(aboutEngine('ort-wasm', 1), ortLoader(runtime, 'wasm', 1), options)
}
