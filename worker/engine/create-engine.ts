import type { Engine } from './engine.ts'
import type { EngineName } from './engine-names.ts'
import type { EngineOptions } from './engine-of.ts'

/** Loads an engine's library, and only that one. Throws what the import throws where it is missing. */
export async function createEngine(name: EngineName, options: EngineOptions = {}): Promise<Engine> {
  switch (name) {
    case 'ort-cpu':
      return (await import('./ort-cpu.ts')).ortCpuEngine(options)
    case 'ort-wasm':
      return (await import('./ort-wasm.ts')).ortWasmEngine(options)
    case 'ort-webgpu':
    case 'ort-cuda':
      return (await import('./ort-gpu.ts')).ortGpuEngine(name, options)
    case 'tfjs':
      return (await import('./tfjs/tfjs.ts')).tfjsEngine(options)
    default:
      return name satisfies never
  }
}
