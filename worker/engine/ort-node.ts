import './no-telemetry.ts'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { OrtRuntime } from './ort-loader.ts'

/** onnxruntime as native code, with the processor, WebGPU and (where its libraries are installed) CUDA. */
export const ortNode: OrtRuntime = { InferenceSession, Tensor, writesResults: true }
