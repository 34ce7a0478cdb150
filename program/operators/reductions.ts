import {
  constantInts,
  type Differentiation,
  elements,
  type Inference,
  int,
  intAttribute,
  intsAttribute,
  type Operator,
  require,
  reshape,
  resolveAxis,
  type Value,
} from './operator.ts'

/** ReduceSum takes its axes as an input since opset 13, ReduceMean only since 18. */
function axesOf(
  { inputs, attributes }: Pick<Inference, 'inputs' | 'attributes'>,
  asInput: boolean,
): readonly number[] {
  const rank = inputs[0]!.shape.length
  const given = asInput ? inputs[1] && constantInts(inputs[1], 'axes') : intsAttribute(attributes, 'axes')
  const axes = given?.map((axis) => resolveAxis(axis, rank)) ?? inputs[0]!.shape.map((_, axis) => axis)
  require(new Set(axes).size === axes.length, 'an axis is reduced twice')
  return axes
}

function reduction(asInput: boolean, scale: (reduced: number) => number): Operator {
  const keptShape = (node: Pick<Inference, 'inputs' | 'attributes'>) => {
    const axes = axesOf(node, asInput)
    return node.inputs[0]!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  }
  return {
    infer(node) {
      require(node.inputs[0]?.type === 'float32' &&
        node.inputs.length <= (asInput ? 2 : 1), 'a float32 input is needed')
      const kept = keptShape(node)
      const axes = axesOf(node, asInput)
      const keep = intAttribute(node.attributes, 'keepdims', 1) === 1
      return [{ type: 'float32', shape: keep ? kept : kept.filter((_, axis) => !axes.includes(axis)) }]
    },
    gradient({ graph, node, inputs, gradients }: Differentiation): (Value | undefined)[] {
      const x = inputs[0]!
      const kept = keptShape({ inputs, attributes: node.attributes })
      let gradient = reshape(graph, gradients[0]!, kept)
      const factor = scale(elements(x.shape) / elements(kept))
      if (factor !== 1) gradient = graph.node('Mul', [gradient, graph.scalar(factor)])
      return [graph.node('Expand', [gradient, graph.ints(x.shape)])]
    },
  }
}

export const reduceSum = reduction(true, () => 1)
export const reduceMean = reduction(false, (reduced) => 1 / reduced)

function overLastAxis(
  rule: (node: Differentiation, gradient: Value, y: Value, sum: (x: Value) => Value) => Value,
): Operator {
  return {
    infer({ inputs, attributes }) {
      const [x] = inputs
      require(x?.type === 'float32' &&
        x.shape.length > 0 &&
        inputs.length === 1, 'one float32 input is needed')
      const axis = resolveAxis(intAttribute(attributes, 'axis', -1), x.shape.length)
      require(axis === x.shape.length - 1, 'only the last axis is supported')
      return [{ type: 'float32', shape: x.shape }]
    },
    gradient(node) {
      const { graph, gradients, outputs } = node
      const sum = (x: Value) =>
        graph.node('ReduceSum', [x, graph.ints([x.shape.length - 1])], { keepdims: int(1) })
      return [rule(node, gradients[0]!, outputs[0]!, sum)]
    },
  }
}

/** y ⊙ (g − Σ g ⊙ y). */
export const softmax = overLastAxis(({ graph }, gradient, y, sum) =>
  graph.node('Mul', [y, graph.node('Sub', [gradient, sum(graph.node('Mul', [gradient, y]))])]),
)

/** g − exp(y) Σ g. */
export const logSoftmax = overLastAxis(({ graph }, gradient, y, sum) =>
  graph.node('Sub', [gradient, graph.node('Mul', [graph.node('Exp', [y]), sum(gradient)])]),
)
