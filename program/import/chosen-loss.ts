import type { Graph } from '../graph.ts'
import { crossEntropy, meanSquaredError } from '../losses.ts'
import { elements, ints, reshape, type Value } from '../operators/operator.ts'
import type { TaskKind, TensorSignature } from '../program-info.ts'
import { unsupportedOnnx } from './refusal.ts'

export const lossKinds = ['cross_entropy', 'mse'] as const
export type LossKind = (typeof lossKinds)[number]

/** A loss for a graph that has none. */
export interface ChosenLoss {
  readonly task: TaskKind
  readonly targets: TensorSignature
  /** As the model gives its output on: a text's logits as rows of one token each. */
  rows(graph: Graph, logits: Value): Value
  loss(graph: Graph, logits: Value, targets: Value): Value
}

/**
 * `mse` takes targets of the output's own shape. `cross_entropy` takes classes: of [B, K] logits one a row, of
 * [B, T, V] beside tokens [B, T] the next token of each, of [B, K, …] one a place, as PyTorch's does.
 * @throws MurmurError ONNX_UNSUPPORTED where the output has no axis of classes, or is not float32.
 */
export function chosenLoss(kind: LossKind, data: TensorSignature, logits: Omit<Value, 'name'>): ChosenLoss {
  const { shape, type } = logits
  const B = data.shape[0]!
  if (type !== 'float32' || shape[0] !== B)
    throw unsupportedOnnx(`its output is ${type}[${shape}], not float32 with a row for each of ${B}`)
  if (kind === 'mse') {
    const targets = { type: 'float32', shape } as const
    return { task: 'regression', targets, rows: (_, values) => values, loss: meanSquaredError }
  }
  if (shape.length < 2) throw unsupportedOnnx(`its output [${shape}] has no axis of classes`)
  if (data.type === 'int64' && shape.length === 3 && shape[1] === data.shape[1])
    return nextTokens(data, shape)
  const [, K, ...places] = shape
  const rows = (graph: Graph, value: Value) => {
    if (places.length === 0) return value
    const order = [0, ...places.map((_, axis) => axis + 2), 1]
    const last = graph.node('Transpose', [value], { perm: ints(order) })
    return reshape(graph, last, [B * elements(places), K!])
  }
  return {
    task: 'classification',
    targets: { type: 'int64', shape: [B, ...places] },
    rows: (_, value) => value,
    loss: (graph, value, targets) => crossEntropy(graph, rows(graph, value), targets),
  }
}

function nextTokens(data: TensorSignature, [B, T, V]: readonly number[]): ChosenLoss {
  return {
    task: 'language',
    targets: { type: 'int64', shape: data.shape },
    rows: (graph, logits) => reshape(graph, logits, [B! * T!, V!]),
    loss: crossEntropy,
  }
}
