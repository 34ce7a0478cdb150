import type { OnnxModel } from '../onnx/model-proto.ts'

/** The model without nodes that no output depends on: a segment's copy ends with values that only the forward pass needs. */
export function withUsedNodes(model: OnnxModel): OnnxModel {
  const used = new Set(model.outputs.map(({ name }) => name))
  const nodes = model.nodes.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((name) => used.has(name))) return false
    for (const name of inputs) used.add(name)
    return true
  })
  return { ...model, nodes: nodes.reverse() }
}
