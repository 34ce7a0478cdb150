import type { Graph } from '../graph.ts'
import { float, int, type Value } from '../operators/operator.ts'
import type { GptDesign } from './gpt-shape.ts'

/** Those of GPT-2 and of Qwen3. */
export const layerEpsilon = 1e-5
export const rmsEpsilon = 1e-6

/** Normalizes each row of [R, C] by the parameters `name.scale` and, for a layer norm, `name.bias`. */
export function gptNorm(
  graph: Graph,
  { norm }: GptDesign,
  x_RC: Value,
  name: string,
  parameter: (name: string) => Value,
): Value {
  const scale = parameter(`${name}.scale`)
  if (norm === 'rms')
    return graph.node('RMSNormalization', [x_RC, scale], { axis: int(-1), epsilon: float(rmsEpsilon) })
  const attributes = { axis: int(-1), epsilon: float(layerEpsilon) }
  return graph.nodes('LayerNormalization', [x_RC, scale, parameter(`${name}.bias`)], 3, attributes)[0]!
}
