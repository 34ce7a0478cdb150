import type { Graph } from '../graph.ts'
import { type MemoryEstimate, withAdapters } from '../memory.ts'
import type { Model } from '../model.ts'
import { elements, int, reshape, type Value, type WrittenAttributes } from '../operators/operator.ts'
import type { Adapters } from './adapters.ts'
import { type Weight, type WeightProduct, watchWeights } from './weight-products.ts'

/**
 * The model with h = x·W + α/r · x·A·B in place of each x·W of an adapted W (Hu et al., arXiv 2106.09685, equation 3):
 * written into the forward pass, so that presets and imported graphs have it alike. Only A and B are trained.
 */
export function adapted(model: Model, adapters: Adapters): Model {
  const { trainingLogits, memory, recomputingMemory = null, tokensPerStep } = model
  const estimate = (of: MemoryEstimate | null) =>
    of && withAdapters(of, adapters.table.count, adapters.innerWidth * tokensPerStep)
  return {
    ...model,
    table: adapters.table,
    memory: estimate(memory),
    recomputingMemory: estimate(recomputingMemory),
    logits: (graph, inputs, parameter) => {
      const { watched, own } = adapting(graph, parameter, adapters)
      return model.logits(watched, inputs, own)
    },
    ...(trainingLogits === undefined
      ? {}
      : {
          trainingLogits: (graph, inputs, parameter) => {
            const { watched, own } = adapting(graph, parameter, adapters)
            return trainingLogits(watched, inputs, own)
          },
        }),
  }
}

function adapting(
  graph: Graph,
  parameter: (name: string) => Value,
  { byParameter, scale }: Adapters,
): { readonly watched: Graph; readonly own: (name: string) => Value } {
  const weights = new Map<string, Weight>()
  const watched = watchWeights(graph, weights, {
    product: (plain, product) => {
      const { left, right } = byParameter.get(product.weight.name)!
      return withFactors(plain, product, parameter(left), parameter(right), scale)
    },
    // What is adapted is used by products alone: adapters.ts.
    otherUse: () => {},
  })
  const own = (name: string): Value => {
    const value = parameter(name)
    if (byParameter.has(name)) weights.set(value.name, { name, transposed: false })
    return value
  }
  return { watched, own }
}

/** value + scale · factor · x · ΔW. The scale goes onto the narrow product, where it costs least. */
function withFactors(
  graph: Graph,
  { weight, x, transA, factor, value }: WeightProduct,
  left: Value,
  right: Value,
  scale: number,
): Value {
  const rows = (tensor: Value) => {
    const width = tensor.shape.at(-1)!
    return tensor.shape.length === 2
      ? tensor
      : reshape(graph, tensor, [elements(tensor.shape) / width, width])
  }
  const [first, second] = weight.transposed ? [right, left] : [left, right]
  const turned: WrittenAttributes = weight.transposed ? { transB: int(1) } : {}
  const inner = graph.node('Gemm', [rows(x), first], { ...(transA ? { transA: int(1) } : {}), ...turned })
  const scaled = graph.node('Mul', [inner, graph.scalar(scale * factor)])
  return reshape(graph, graph.node('Gemm', [scaled, second, rows(value)], turned), value.shape)
}
