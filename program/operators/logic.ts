import {
  broadcast,
  type GraphWriter,
  int,
  intAttribute,
  type Operator,
  onlyAttributes,
  require,
  unbroadcast,
  type Value,
} from './operator.ts'

/** Codes of ONNX's TensorProto.DataType. */
const castTargets: ReadonlyMap<number, Value['type']> = new Map([
  [1, 'float32'],
  [7, 'int64'],
  [9, 'bool'],
  [10, 'float16'],
])

/** 1 where true, 0 where false. */
export const asFloat = (graph: GraphWriter, truth: Value): Value =>
  graph.node('Cast', [truth], { to: int(1) })

/** Compares two tensors of numbers. What it gives has no gradient. */
export const comparison: Operator = {
  infer({ inputs, attributes }) {
    const [a, b] = inputs
    onlyAttributes(attributes)
    require(a !== undefined && b !== undefined && inputs.length === 2, 'two inputs are needed')
    require(a.type === b.type && a.type !== 'bool', 'two tensors of numbers of one type are needed')
    return [{ type: 'bool', shape: broadcast(a.shape, b.shape) }]
  },
}

/** And, Or, Xor. */
export const connective: Operator = {
  infer({ inputs, attributes }) {
    const [a, b] = inputs
    onlyAttributes(attributes)
    require(a?.type === 'bool' && b?.type === 'bool' && inputs.length === 2, 'two truth values are needed')
    return [{ type: 'bool', shape: broadcast(a.shape, b.shape) }]
  },
}

export const not: Operator = {
  infer({ inputs, attributes }) {
    const [a] = inputs
    onlyAttributes(attributes)
    require(a?.type === 'bool' && inputs.length === 1, 'one truth value is needed')
    return [{ type: 'bool', shape: a.shape }]
  },
}

/** Only a Cast of floats to floats hands a gradient on. float16 comes of float32 alone, and goes back to it. */
export const cast: Operator = {
  takesHalf: true,
  infer({ inputs, attributes }) {
    onlyAttributes(attributes, 'to')
    const type = castTargets.get(intAttribute(attributes, 'to', 0))
    require(inputs.length === 1, 'one input is needed')
    require(type !== undefined, 'only casts to float32, int64, bool and float16 are supported')
    const { type: given, shape } = inputs[0]!
    require(type !== 'float16' || given === 'float32', 'only float32 is cast to float16')
    require(given !== 'float16' || type === 'float32', 'float16 is cast to float32 only')
    return [{ type, shape }]
  },
  gradient: ({ gradients }) => [gradients[0]],
}

/** Each side gets the gradient where it was chosen, zero elsewhere. */
export const where: Operator = {
  infer({ inputs, attributes }) {
    const [condition, a, b] = inputs
    onlyAttributes(attributes)
    require(condition?.type === 'bool' && a && b && inputs.length === 3, 'a truth value and two tensors')
    require(a.type === b.type && a.type !== 'bool', 'two tensors of numbers of one type are needed')
    return [{ type: a.type, shape: broadcast(condition.shape, broadcast(a.shape, b.shape)) }]
  },
  gradient({ graph, inputs, gradients, wanted }) {
    const [condition, a, b] = [inputs[0]!, inputs[1]!, inputs[2]!]
    const [gradient, zero] = [gradients[0]!, graph.scalar(0)]
    return [
      undefined,
      wanted[1] ? unbroadcast(graph, graph.node('Where', [condition, gradient, zero]), a.shape) : undefined,
      wanted[2] ? unbroadcast(graph, graph.node('Where', [condition, zero, gradient]), b.shape) : undefined,
    ]
  },
}
