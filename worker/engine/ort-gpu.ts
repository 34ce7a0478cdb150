import type { Engine } from './engine.ts'
import { aboutEngine } from './engine-class.ts'
import { type EngineOptions, engineOf } from './engine-of.ts'
import { ortLoader } from './ort-loader.ts'
import { ortNode } from './ort-node.ts'

/**
 * onnxruntime on a graphics card: through WebGPU (Vulkan, Metal or Direct3D), or CUDA where its provider is installed.
 * The state lies in main memory between steps. What the card lacks an operator for runs on the processor.
 */
export function ortGpuEngine(
  name: 'ort-webgpu' | 'ort-cuda',
  options: Omit<EngineOptions, 'threads'> = {},
): Engine {
  const about = aboutEngine(name, 1)
  return engineOf(about, ortLoader(ortNode, about.device, 1), options)
}
