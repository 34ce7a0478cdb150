import { broadcast, intAttribute, type ValueType } from '../operators/operator.ts'
import type { Fold } from './fold.ts'
import { type HostTensor, valuesFor } from './host-tensor.ts'

/** For each element of `shape`, row-major, where it is read in a tensor that broadcasts to it. */
export function* broadcastPlaces(from: readonly number[], shape: readonly number[]): Generator<number> {
  const lead = shape.length - from.length
  const strides = new Array<number>(shape.length).fill(0)
  let stride = 1
  for (let axis = from.length - 1; axis >= 0; axis--) {
    if (from[axis] !== 1) strides[axis + lead] = stride
    stride *= from[axis]!
  }
  yield* stridedPlaces(shape, strides)
}

/** For each element of `shape`, row-major: Σ index · stride. */
export function* stridedPlaces(
  shape: readonly number[],
  strides: readonly number[],
  start = 0,
): Generator<number> {
  const total = shape.reduce((product, size) => product * size, 1)
  const index = new Array<number>(shape.length).fill(0)
  let place = start
  for (let count = 0; count < total; count++) {
    yield place
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      place -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
}

/** Where an element of the output is read: its own place, one place for all, or a place each. */
function placesIn(from: readonly number[], shape: readonly number[], count: number): (at: number) => number {
  const own = from.reduce((product, size) => product * size, 1)
  if (own === count) return (at) => at
  if (own === 1) return () => 0
  const places = new Int32Array(count)
  let at = 0
  for (const place of broadcastPlaces(from, shape)) places[at++] = place
  return (index) => places[index]!
}

type Rule = (a: number, b: number, c: number) => number

/** Of up to three tensors that broadcast. */
function elementwise(inputs: readonly HostTensor[], type: ValueType, rule: Rule): HostTensor {
  const [a, b = a, c = a] = inputs
  if (a === undefined || b === undefined || c === undefined || inputs.length > 3)
    throw new Error(`${inputs.length} inputs`)
  const shape = inputs.map((input) => input.shape).reduce(broadcast)
  const values = valuesFor(type, shape)
  const [inA, inB, inC] = [a, b, c].map((input) => placesIn(input.shape, shape, values.length))
  for (let at = 0; at < values.length; at++)
    values[at] = rule(a.values[inA!(at)]!, b.values[inB!(at)]!, c.values[inC!(at)]!)
  return { type, shape, values }
}

/** Of one type for all inputs, which is the output's. */
const sameType =
  (float: Rule, integer = float): Fold =>
  ({ inputs }) => {
    const type = inputs[0]!.type
    if (inputs.some((input) => input.type !== type)) throw new Error('its inputs are of different types')
    return [elementwise(inputs, type, type === 'int64' ? integer : float)]
  }

const truth =
  (rule: (a: number, b: number) => boolean): Fold =>
  ({ inputs }) => [elementwise(inputs, 'bool', (a, b) => (rule(a, b) ? 1 : 0))]

const where: Fold = ({ inputs }) => [
  elementwise(inputs, inputs[1]!.type, (condition, a, b) => (condition === 0 ? b : a)),
]

/** ONNX integer division rounds towards zero. */
const quotient = (a: number, b: number): number => {
  if (b === 0) throw new Error('an integer is divided by zero')
  return Math.trunc(a / b)
}

/** Of the divisor's sign, as Python's. */
const modulo = (a: number, b: number): number => {
  if (b === 0) throw new Error('an integer is divided by zero')
  return a - b * Math.floor(a / b)
}

const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x)
  if (x - floor !== 0.5) return Math.round(x)
  return floor % 2 === 0 ? floor : floor + 1
}

/**
 * Sine, cosine, powers and exponentials differ in their last bits between hosts. What is folded here is computed once,
 * by whoever submits the run, and its bits become constants of the program: replicas read them, none computes them.
 */
export const elementwiseFolds: readonly (readonly [string, Fold])[] = [
  ['Add', sameType((a, b) => a + b)],
  ['Sub', sameType((a, b) => a - b)],
  ['Mul', sameType((a, b) => a * b)],
  [
    'Div',
    sameType(
      (a, b) => a / b,
      (a, b) => quotient(a, b),
    ),
  ],
  [
    'Mod',
    (node) => sameType(intAttribute(node.attributes, 'fmod', 0) === 1 ? (a, b) => a % b : modulo)(node),
  ],
  ['Pow', ({ inputs }) => [elementwise(inputs, inputs[0]!.type, (a, b) => a ** b)]],
  ['Min', sameType((a, b) => Math.min(a, b))],
  ['Max', sameType((a, b) => Math.max(a, b))],
  ['Neg', sameType((x) => -x)],
  ['Abs', sameType(Math.abs)],
  ['Sign', sameType(Math.sign)],
  ['Floor', sameType(Math.floor)],
  ['Ceil', sameType(Math.ceil)],
  ['Round', sameType(roundHalfEven)],
  ['Sqrt', sameType(Math.sqrt)],
  ['Exp', sameType(Math.exp)],
  ['Log', sameType(Math.log)],
  ['Sin', sameType(Math.sin)],
  ['Cos', sameType(Math.cos)],
  ['Tanh', sameType(Math.tanh)],
  ['Reciprocal', sameType((x) => 1 / x)],
  ['Equal', truth((a, b) => a === b)],
  ['Greater', truth((a, b) => a > b)],
  ['GreaterOrEqual', truth((a, b) => a >= b)],
  ['Less', truth((a, b) => a < b)],
  ['LessOrEqual', truth((a, b) => a <= b)],
  ['And', truth((a, b) => a !== 0 && b !== 0)],
  ['Or', truth((a, b) => a !== 0 || b !== 0)],
  ['Xor', truth((a, b) => (a !== 0) !== (b !== 0))],
  ['Not', ({ inputs }) => [elementwise(inputs, 'bool', (a) => (a === 0 ? 1 : 0))]],
  ['IsNaN', ({ inputs }) => [elementwise(inputs, 'bool', (a) => (Number.isNaN(a) ? 1 : 0))]],
  ['Where', where],
]

/** To another type: towards zero to integers, to whether it is zero for truth values. */
export function castTensor(tensor: HostTensor, type: ValueType): HostTensor {
  if (tensor.type === type) return tensor
  const rule =
    type === 'bool' ? (x: number) => (x === 0 ? 0 : 1) : type === 'int64' ? Math.trunc : (x: number) => x
  const values = valuesFor(type, tensor.shape)
  for (let at = 0; at < values.length; at++) values[at] = rule(tensor.values[at]!)
  return { type, shape: tensor.shape, values }
}
