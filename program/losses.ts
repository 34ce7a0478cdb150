import type { Graph } from './graph.ts'
import { elements, int, reshape, type Value } from './operators/operator.ts'

/**
 * Mean cross-entropy in nats.
 * @param logits [R, K]; labels int64 of R values
 */
export function crossEntropy(graph: Graph, logits: Value, labels: Value): Value {
  const logProbabilities = graph.node('LogSoftmax', [logits], { axis: int(-1) })
  const rows = elements(labels.shape)
  const column = graph.node('Reshape', [labels, graph.ints([rows, 1])])
  const chosen = graph.node('GatherElements', [logProbabilities, column], { axis: int(1) })
  const total = graph.node('ReduceSum', [chosen], { keepdims: int(0) })
  return graph.node('Mul', [total, graph.scalar(-1 / rows)])
}

/** Mean of the squared differences of two tensors of one shape. */
export function meanSquaredError(graph: Graph, values: Value, targets: Value): Value {
  const difference = graph.node('Sub', [values, targets])
  const total = graph.node('ReduceSum', [graph.node('Mul', [difference, difference])], { keepdims: int(0) })
  return graph.node('Mul', [total, graph.scalar(1 / elements(targets.shape))])
}

/**
 * Share of the rows whose largest logit is that of their label.
 * @param logits [R, K, …]; labels int64 [R, …], or of another shape with as many places in the same order
 */
export function accuracy(graph: Graph, logits: Value, labels: Value): Value {
  const guessed = graph.node('ArgMax', [logits], { axis: int(1), keepdims: int(0) })
  const right = graph.node('Cast', [graph.node('Equal', [guessed, reshape(graph, labels, guessed.shape)])], {
    to: int(1),
  })
  const total = graph.node('ReduceSum', [right], { keepdims: int(0) })
  return graph.node('Mul', [total, graph.scalar(1 / elements(labels.shape))])
}
