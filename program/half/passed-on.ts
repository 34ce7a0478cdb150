import type { OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'

const products: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])

/**
 * Products of the forward and the backward pass from which others follow: all but the last of the backward pass, which
 * are gradients of parameters, sums over the rows of a batch. The passes are what the outputs `loss` and `grad_norm` depend
 * on; an optimizer's own products, as Muon's, come after them.
 * @param model of a training program
 */
export function passedOn(model: OnnxModel): ReadonlySet<OnnxNode> {
  const outputs = model.outputs.filter(({ name }) => name === 'loss' || name === 'grad_norm')
  const found = new Set<OnnxNode>()
  /** What a product depends on. */
  const read = new Set<string>()
  for (const node of withUsedNodes({ ...model, outputs }).nodes.toReversed()) {
    const isRead = node.outputs.some((name) => read.has(name))
    const isProduct = products.has(node.opType)
    if (isRead && isProduct) found.add(node)
    if (isRead || isProduct) for (const name of node.inputs) read.add(name)
  }
  return found
}
