import {
  broadcast,
  constantInts,
  elements,
  int,
  intAttribute,
  ints,
  intsAttribute,
  type Operator,
  require,
  reshape,
  resolveAxis,
  sameShape,
  unbroadcast,
  type Value,
} from './operator.ts'

export const identity: Operator = {
  infer: ({ inputs }) => [{ type: inputs[0]!.type, shape: inputs[0]!.shape }],
  gradient: ({ gradients }) => [gradients[0]],
}

/** Only complete shapes: no 0 (copy) and no −1 (infer). */
export const reshapeOperator: Operator = {
  infer({ inputs }) {
    const shape = constantInts(inputs[1], 'the shape')
    require(shape.every((size) => size >= 1), `shape [${shape}] is not complete`)
    require(elements(shape) ===
      elements(inputs[0]!.shape), `[${inputs[0]!.shape}] cannot take shape [${shape}]`)
    return [{ type: inputs[0]!.type, shape }]
  },
  gradient: ({ graph, inputs, gradients }) => [reshape(graph, gradients[0]!, inputs[0]!.shape), undefined],
}

export const transpose: Operator = {
  infer({ inputs, attributes }) {
    const { type, shape } = inputs[0]!
    const order = intsAttribute(attributes, 'perm')
    require(order?.length === shape.length && new Set(order).size === order.length, 'perm does not fit')
    return [{ type, shape: order.map((axis) => shape[resolveAxis(axis, shape.length)]!) }]
  },
  gradient({ graph, node, gradients }) {
    const order = intsAttribute(node.attributes, 'perm')!
    return [
      graph.node('Transpose', [gradients[0]!], { perm: ints(order.map((_, axis) => order.indexOf(axis))) }),
    ]
  },
}

export const expand: Operator = {
  infer({ inputs }) {
    const shape = constantInts(inputs[1], 'the shape')
    require(shape.every((size) => size >= 1), `shape [${shape}] is not complete`)
    return [{ type: inputs[0]!.type, shape: broadcast(inputs[0]!.shape, shape) }]
  },
  gradient: ({ graph, inputs, gradients }) => [
    unbroadcast(graph, gradients[0]!, inputs[0]!.shape),
    undefined,
  ],
}

export const concat: Operator = {
  infer({ inputs, attributes }) {
    const first = inputs[0]!
    const axis = resolveAxis(intAttribute(attributes, 'axis', 0), first.shape.length)
    const others = (shape: readonly number[]) => shape.filter((_, index) => index !== axis)
    for (const { type, shape } of inputs) {
      require(type === first.type && shape.length === first.shape.length, 'ranks or types differ')
      require(sameShape(others(shape), others(first.shape)), 'shapes differ beside the axis')
    }
    const total = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
    return [{ type: first.type, shape: first.shape.map((size, index) => (index === axis ? total : size)) }]
  },
  gradient({ graph, node, inputs, gradients, outputs }) {
    const axis = resolveAxis(intAttribute(node.attributes, 'axis', 0), outputs[0]!.shape.length)
    const sizes = graph.ints(inputs.map(({ shape }) => shape[axis]!))
    return graph.nodes('Split', [gradients[0]!, sizes], inputs.length, { axis: int(axis) })
  },
}

export const split: Operator = {
  infer({ inputs, attributes, outputCount }) {
    const { type, shape } = inputs[0]!
    const axis = resolveAxis(intAttribute(attributes, 'axis', 0), shape.length)
    const sizes = constantInts(inputs[1], 'the sizes')
    require(sizes.length === outputCount && sizes.every((size) => size >= 1), 'sizes do not fit the outputs')
    require(sizes.reduce((sum, size) => sum + size, 0) === shape[axis], 'sizes do not add up')
    return sizes.map((size) => ({ type, shape: shape.map((full, index) => (index === axis ? size : full)) }))
  },
  gradient({ graph, node, gradients, outputs }) {
    const parts = outputs.map(
      ({ shape }, index) => gradients[index] ?? graph.node('Expand', [graph.scalar(0), graph.ints(shape)]),
    )
    return [graph.node('Concat', parts, { axis: node.attributes.get('axis') ?? int(0) }), undefined]
  },
}

interface Slices {
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** Per axis from where to where; steps are always 1 and bounds always inside. */
function sliceBounds(inputs: readonly Value[]): Slices {
  const { shape } = inputs[0]!
  const [starts, ends] = [shape.map(() => 0), [...shape]]
  const [from, to] = [constantInts(inputs[1], 'starts'), constantInts(inputs[2], 'ends')]
  const axes = inputs[3] ? constantInts(inputs[3], 'axes') : from.map((_, index) => index)
  require(inputs.length <= 4 && from.length === to.length && from.length === axes.length, 'bounds do not fit')
  axes.forEach((axis, index) => {
    const resolved = resolveAxis(axis, shape.length)
    const [start, end] = [from[index]!, to[index]!]
    require(start >= 0 && start < end && end <= shape[resolved]!, `[${start}, ${end}) of [${shape}]`)
    starts[resolved] = start
    ends[resolved] = end
  })
  return { starts, ends }
}

export const slice: Operator = {
  infer({ inputs }) {
    const { starts, ends } = sliceBounds(inputs)
    return [{ type: inputs[0]!.type, shape: ends.map((end, axis) => end - starts[axis]!) }]
  },
  gradient({ graph, inputs, gradients }) {
    const { starts, ends } = sliceBounds(inputs)
    const after = ends.map((end, axis) => inputs[0]!.shape[axis]! - end)
    return [graph.node('Pad', [gradients[0]!, graph.ints([...starts, ...after])])]
  },
}

/** Zeros around a tensor: the adjoint of Slice. */
export const pad: Operator = {
  infer({ inputs }) {
    const { type, shape } = inputs[0]!
    const pads = constantInts(inputs[1], 'the padding')
    require(inputs.length === 2 && pads.length === shape.length * 2, 'the padding does not fit')
    require(pads.every((size) => size >= 0), 'the padding is negative')
    return [{ type, shape: shape.map((size, axis) => size + pads[axis]! + pads[axis + shape.length]!) }]
  },
}
