import {
  constantInts,
  elements,
  int,
  intAttribute,
  type Operator,
  onlyAttributes,
  require,
  resolveAxis,
} from './operator.ts'

/**
 * The k largest (or smallest) values of each line along one axis, in order, and their places; the first of equals comes
 * first. The gradient goes back to those places: no two of a line are the same, so that nothing is added up.
 */
export const topK: Operator = {
  infer({ inputs, attributes, outputCount }) {
    const [x, count] = inputs
    require(x?.type === 'float32' && inputs.length === 2, 'float32 values and how many are needed')
    require(outputCount === 2, 'it gives values and their places')
    onlyAttributes(attributes, 'axis', 'largest', 'sorted')
    require([0, 1].includes(intAttribute(attributes, 'largest', 1)), 'attribute largest is not 0 or 1')
    require(intAttribute(attributes, 'sorted', 1) === 1, 'values that are not sorted are in no certain order')
    const axis = resolveAxis(intAttribute(attributes, 'axis', -1), x.shape.length)
    const [k] = constantInts(count, 'how many')
    require(k !== undefined &&
      k >= 1 &&
      k <= x.shape[axis]! &&
      count!.shape.join() === '1', `${k} values of an axis of ${x.shape[axis]}`)
    const shape = x.shape.with(axis, k)
    return [
      { type: 'float32', shape },
      { type: 'int64', shape },
    ]
  },
  gradient({ graph, node, inputs, outputs, gradients }) {
    const { shape } = inputs[0]!
    const axis = resolveAxis(intAttribute(node.attributes, 'axis', -1), shape.length)
    const zeros = graph.node('Expand', [graph.scalar(0), graph.ints(shape)])
    return [
      graph.node('ScatterElements', [zeros, outputs[1]!, gradients[0]!], { axis: int(axis) }),
      undefined,
    ]
  },
  // A line's values and places are sorted aside.
  workspaceBytes: ({ inputs }) => 12 * elements(inputs[0]!.shape),
}
