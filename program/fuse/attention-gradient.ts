import type { OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'
import { turnsMatrices } from './turned-product.ts'
import { useCounts } from './use-counts.ts'

/**
 * A softmax's gradient needs a sum for each row of scores [.., T, T]. Where its weights w = softmax ⊙ mask are multiplied
 * with values v to outputs o = w v, of gradient g, that sum is one over a head's values instead of all tokens:
 *
 *     Σⱼ (g vᵀ ⊙ mask) ⊙ softmax = Σ_d g ⊙ o
 *
 * (Dao et al., FlashAttention, arXiv 2205.14135, appendix B.2.) Any mask will do, and none. Nothing else is
 * taken from w: where a hidden score lies far above the visible ones, w (g vᵀ − sum) is not the gradient.
 */
export function attentionGradient(model: OnnxModel): OnnxModel {
  const index = indexOf(model)
  const replaced = new Map<string, OnnxNode>()
  for (const node of model.nodes) {
    const found = rowSumOf(node, index)
    if (found === undefined) continue
    const { terms, gradient, output } = found
    replaced.set(terms.outputs[0]!, { ...terms, inputs: [gradient, output] })
  }
  if (replaced.size === 0) return model
  return withUsedNodes({ ...model, nodes: model.nodes.map((node) => replaced.get(node.outputs[0]!) ?? node) })
}

interface Index {
  readonly makers: ReadonlyMap<string, OnnxNode>
  /** Of each product, elementwise or of matrices, by its operator and factors: the first that is written. */
  readonly products: ReadonlyMap<string, string>
  readonly uses: ReadonlyMap<string, number>
  /** Of each constant that is one whole number. */
  readonly numbers: ReadonlyMap<string, number>
}

const keyOf = (opType: string, factors: readonly string[]): string => `${opType} ${factors}`

function indexOf(model: OnnxModel): Index {
  const { nodes, initializers } = model
  const products = new Map<string, string>()
  for (const { opType, inputs, outputs: made } of nodes) {
    const key = keyOf(opType, inputs)
    if (['MatMul', 'Mul'].includes(opType) && !products.has(key)) products.set(key, made[0]!)
  }
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  const single = initializers.filter(({ type, bytes }) => type === 'int64' && bytes.length === 8)
  const numbers = new Map(
    single.map(({ name, bytes }) => [
      name,
      Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true)),
    ]),
  )
  return { makers, products, uses: useCounts(model), numbers }
}

/** Of a node softmax ⊙ (incoming − sum), written for a softmax over the last axis: what the sum is of, and what takes its place. */
function rowSumOf(node: OnnxNode, { makers, products, uses, numbers }: Index) {
  const made = (name: string | undefined, opType: string) => {
    const maker = name === undefined ? undefined : makers.get(name)
    return maker?.opType === opType ? maker : undefined
  }
  const softmax = node.opType === 'Mul' ? made(node.inputs[0], 'Softmax') : undefined
  if (softmax === undefined || !isOverLast(softmax)) return undefined
  const probabilities = softmax.outputs[0]!
  const difference = made(node.inputs[1], 'Sub')
  const sum = made(difference?.inputs[1], 'ReduceSum')
  const terms = made(sum?.inputs[0], 'Mul')
  if (difference === undefined || terms === undefined || uses.get(terms.outputs[0]!) !== 1) return undefined
  const incoming = difference.inputs[0]!
  if (`${terms.inputs}` !== `${[incoming, probabilities]}`) return undefined
  const [product, mask] = makers.get(incoming)?.opType === 'Mul' ? makers.get(incoming)!.inputs : [incoming]
  const weights = mask === undefined ? probabilities : products.get(keyOf('Mul', [probabilities, mask]))
  const backward = made(product, 'MatMul')
  const turned = made(backward?.inputs[1], 'Transpose')
  if (weights === undefined || backward === undefined || !turnsMatrices(turned)) return undefined
  if (!isRowSum(sum, turned, numbers)) return undefined
  const output = products.get(keyOf('MatMul', [weights, turned.inputs[0]!]))
  return output === undefined ? undefined : { terms, gradient: backward.inputs[0]!, output }
}

function isOverLast({ attributes }: OnnxNode): boolean {
  const axis = attributes.get('axis')
  return axis === undefined || (axis.kind === 'int' && axis.value === -1)
}

/** A sum over the last axis, which stays as one place, of tensors of the rank of what is turned. */
function isRowSum(
  sum: OnnxNode | undefined,
  turned: OnnxNode,
  numbers: ReadonlyMap<string, number>,
): boolean {
  const [keep, perm] = [sum?.attributes.get('keepdims'), turned.attributes.get('perm')]
  const axis = numbers.get(sum?.inputs[1] ?? '')
  const last = perm?.kind === 'ints' ? perm.values.length - 1 : undefined
  return keep?.kind === 'int' && keep.value === 1 && (axis === -1 || axis === last)
}
