import { constantValue } from '../check-program.ts'
import { inferNode } from '../graph.ts'
import type { OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import type { Value } from '../operators/operator.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'
import { useCounts } from './use-counts.ts'

/**
 * (Aᵀ·B)ᵀ of batched matrices becomes Bᵀ·A. Both turn a matrix within a product, which engines do for free; the turning of
 * the result was a pass over memory. So is the gradient of attention's keys written: scores are q·kᵀ, and that of kᵀ is
 * qᵀ·g. Only where nothing else reads the product, A and B have as many axes, and Aᵀ is not itself such a result: its
 * product's name is then taken.
 */
export function turnedProduct(model: OnnxModel): OnnxModel {
  const uses = useCounts(model)
  const makers = new Map(model.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  const made = new Map<string, OnnxNode>()
  let ranks: ReadonlyMap<string, number> | undefined
  for (const node of model.nodes) {
    const product = turnsMatrices(node) ? makers.get(node.inputs[0]!) : undefined
    if (product?.opType !== 'MatMul' || uses.get(product.outputs[0]!) !== 1) continue
    const left = makers.get(product.inputs[0]!)
    if (!turnsMatrices(left) || rankOf(left) !== rankOf(node) || made.has(left.outputs[0]!)) continue
    ranks ??= ranksOf(model)
    if (ranks.get(product.inputs[1]!) !== rankOf(node)) continue
    // The product's own place and name go to Bᵀ.
    const right = { ...node, name: product.name, inputs: [product.inputs[1]!], outputs: product.outputs }
    made.set(product.outputs[0]!, right)
    made.set(node.outputs[0]!, {
      ...product,
      name: node.name,
      inputs: [product.outputs[0]!, left.inputs[0]!],
      outputs: node.outputs,
    })
  }
  if (made.size === 0) return model
  return withUsedNodes({ ...model, nodes: model.nodes.map((node) => made.get(node.outputs[0]!) ?? node) })
}

const permutationOf = ({ attributes }: OnnxNode): readonly number[] => {
  const perm = attributes.get('perm')
  return perm?.kind === 'ints' ? perm.values : []
}

const rankOf = (node: OnnxNode): number => permutationOf(node).length

/** Of every value of a model, its axes. */
function ranksOf({ nodes, inputs, initializers }: OnnxModel): ReadonlyMap<string, number> {
  const values = new Map<string, Value>(inputs.map((input) => [input.name, input]))
  for (const constant of initializers) values.set(constant.name, constantValue(constant))
  for (const { name, opType, attributes, inputs: from, outputs } of nodes) {
    const given = from.map((input) => values.get(input)!)
    inferNode(name, opType, given, attributes, outputs.length).forEach((shape, index) => {
      values.set(outputs[index]!, { ...shape, name: outputs[index]! })
    })
  }
  return new Map([...values].map(([name, { shape }]) => [name, shape.length]))
}

/** A Transpose that exchanges the last two axes. */
export function turnsMatrices(node: OnnxNode | undefined): node is OnnxNode {
  if (node?.opType !== 'Transpose') return false
  const perm = permutationOf(node)
  const rank = perm.length
  return rank >= 2 && perm.every((axis, at) => axis === (at < rank - 2 ? at : 2 * rank - 3 - at))
}
