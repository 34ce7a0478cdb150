import type { Graph } from '../graph.ts'
import {
  floatAttribute,
  intAttribute,
  intsAttribute,
  type Value,
  type WrittenAttribute,
  type WrittenAttributes,
} from '../operators/operator.ts'

/** A weight as a value of a graph: as it is stored, or its transpose. */
export interface Weight {
  readonly name: string
  readonly transposed: boolean
}

/** factor · x · W, or factor · x · Wᵀ, and what the node adds to it. */
export interface WeightProduct {
  readonly weight: Weight
  readonly x: Value
  /** x enters as its transpose. */
  readonly transA: boolean
  readonly factor: number
  readonly value: Value
}

interface WeightWatcher {
  /** Gives what takes the product's place. */
  product(graph: Graph, product: WeightProduct): Value
  /** The weight is read by something else than a product that it is the right side of. */
  otherUse(weight: string): void
}

/**
 * A graph that tells how the forward pass written to it uses its weights: by a MatMul or Gemm, straight or through
 * transpositions. `weights` are the values known to be weights, by name, and grows as transposes of them are made.
 */
export function watchWeights(graph: Graph, weights: Map<string, Weight>, watcher: WeightWatcher): Graph {
  const nodes: Graph['nodes'] = (opType, inputs, outputCount, attributes = {}) => {
    const made = graph.nodes(opType, inputs, outputCount, attributes)
    const read = inputs.map(({ name }) => weights.get(name))
    const first = read[0]
    if (first !== undefined && (opType === 'Identity' || isTransposition(opType, inputs[0]!, attributes))) {
      const transposed = opType === 'Identity' ? first.transposed : !first.transposed
      weights.set(made[0]!.name, { name: first.name, transposed })
      return made
    }
    const right = opType === 'MatMul' || opType === 'Gemm' ? read[1] : undefined
    read.forEach((weight, place) => {
      if (weight !== undefined && !(place === 1 && right !== undefined)) watcher.otherUse(weight.name)
    })
    if (right === undefined) return made
    return [watcher.product(graph, productOf(right, inputs[0]!, made[0]!, attributes))]
  }
  return {
    ...graph,
    nodes,
    node: (opType, inputs, attributes) => nodes(opType, inputs, 1, attributes)[0]!,
  }
}

function isTransposition(opType: string, { shape }: Value, attributes: WrittenAttributes): boolean {
  if (opType !== 'Transpose' || shape.length !== 2) return false
  const order = intsAttribute(plain(attributes), 'perm')
  return order === undefined || order[0] === 1
}

function productOf(weight: Weight, x: Value, value: Value, written: WrittenAttributes): WeightProduct {
  const attributes = plain(written)
  const flag = (name: string) => intAttribute(attributes, name, 0) !== 0
  return {
    weight: { name: weight.name, transposed: weight.transposed !== flag('transB') },
    x,
    transA: flag('transA'),
    factor: floatAttribute(attributes, 'alpha', 1),
    value,
  }
}

/** What an operator of its own, not a composition, has. */
const plain = (attributes: WrittenAttributes) =>
  new Map(
    Object.entries(attributes).flatMap(([name, attribute]: [string, WrittenAttribute]) =>
      attribute.kind === 'string' ? [] : [[name, attribute] as const],
    ),
  )
