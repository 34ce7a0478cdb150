import type { Attribute, ElementType, OnnxNode } from '../onnx/model-proto.ts'

/** Truth values live only between nodes: no input, constant or output of a program has that type. */
export type ValueType = ElementType | 'bool'

/** A tensor of a graph: its shape and type are known when the graph is built. */
export interface Value {
  readonly name: string
  /** float16 lives only between casts and products (`../half/`). */
  readonly type: ValueType | 'float16'
  readonly shape: readonly number[]
  /** The values of a small int64 constant (shapes, axes, bounds): some operators' shapes depend on them. */
  readonly ints?: readonly number[]
}

export type Attributes = ReadonlyMap<string, Attribute>

/** Text configures compositions (`compositions/`), which are gone when the graph is written: no node carries it. */
export type WrittenAttribute = Attribute | { readonly kind: 'string'; readonly value: string }
export type WrittenAttributes = Readonly<Record<string, WrittenAttribute>>

/** What gradient rules write to (see `../graph.ts`). */
export interface GraphWriter {
  /** Appends a node with one output. */
  node(opType: string, inputs: readonly Value[], attributes?: WrittenAttributes): Value
  /** Appends a node with several outputs. */
  nodes(
    opType: string,
    inputs: readonly Value[],
    outputCount: number,
    attributes?: WrittenAttributes,
  ): readonly Value[]
  /** A float32 constant of shape []. */
  scalar(value: number): Value
  /** An int64 constant of shape [n]. */
  ints(values: readonly number[]): Value
  floats(values: ArrayLike<number>, shape: readonly number[]): Value
  /** The node that computes a value; undefined for inputs and constants. */
  maker(value: Value): OnnxNode | undefined
}

export interface Inference {
  readonly inputs: readonly Value[]
  readonly attributes: Attributes
  readonly outputCount: number
}

export interface Differentiation {
  readonly graph: GraphWriter
  readonly node: OnnxNode
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** ∂loss/∂output of each output; undefined where the loss does not depend on it. */
  readonly gradients: readonly (Value | undefined)[]
  /** Which inputs' gradients are wanted; the others may be left undefined. */
  readonly wanted: readonly boolean[]
}

/** Everything the project knows of one ONNX operator. */
export interface Operator {
  /** Types and shapes of the outputs. Throws an Error that says what does not fit. */
  readonly infer: (node: Inference) => readonly Omit<Value, 'name'>[]
  /** Its vector-Jacobian product: ∂loss/∂input of each input. Without one, it cannot stand on the way to a parameter. */
  readonly gradient?: (node: Differentiation) => readonly (Value | undefined)[]
  /** Whether float16 may go in: all of its real inputs are then float16, and so is what it gives, a cast's aside. */
  readonly takesHalf?: true
  /** Upper bound on the bytes that engines take while it runs, beside its inputs and outputs. None: nothing of their order. */
  readonly workspaceBytes?: (node: Inference) => number
}

/** Axes of a tensor. Models have five at most; some gradients split each axis in two. */
export const maxRank = 16

export const int = (value: number): Attribute => ({ kind: 'int', value })
export const ints = (values: readonly number[]): Attribute => ({ kind: 'ints', values })
export const float = (value: number): Attribute => ({ kind: 'float', value: Math.fround(value) })

/** Elements of a shape. May exceed 2⁵³ for absurd shapes, but never wraps. */
export const elements = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1)

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis])

/** What a product takes: its inputs are of one real type. */
export const isReal = (type: Value['type'] | undefined): type is 'float32' | 'float16' =>
  type === 'float32' || type === 'float16'

export function require(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

export function intAttribute(attributes: Attributes, name: string, fallback: number): number {
  const attribute = attributes.get(name)
  if (attribute === undefined) return fallback
  require(attribute.kind === 'int', `attribute ${name} is not an integer`)
  return attribute.value
}

export function floatAttribute(attributes: Attributes, name: string, fallback: number): number {
  const attribute = attributes.get(name)
  if (attribute === undefined) return fallback
  require(attribute.kind === 'float' && Number.isFinite(attribute.value), `attribute ${name} is not a number`)
  return attribute.value
}

/** Refuses attributes that the rule does not read: an engine might read them. */
export function onlyAttributes(attributes: ReadonlyMap<string, unknown>, ...names: readonly string[]): void {
  for (const name of attributes.keys()) require(names.includes(name), `attribute ${name} is not supported`)
}

export function intsAttribute(attributes: Attributes, name: string): readonly number[] | undefined {
  const attribute = attributes.get(name)
  if (attribute === undefined) return undefined
  require(attribute.kind === 'ints', `attribute ${name} is not a list of integers`)
  return attribute.values
}

/** The constant integers that an operator's shape depends on. */
export function constantInts(value: Value | undefined, what: string): readonly number[] {
  require(value?.ints !== undefined, `${what} is not a constant list of integers`)
  return value.ints
}

/** An axis counted from the end when negative. */
export function resolveAxis(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis
  require(Number.isInteger(resolved) && resolved >= 0 && resolved < rank, `axis ${axis} of rank ${rank}`)
  return resolved
}

/** NumPy broadcasting of two shapes. */
export function broadcast(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    require(left === right || left === 1 || right === 1, `shapes [${a}] and [${b}] do not broadcast`)
    return Math.max(left, right)
  })
}

export function reshape(graph: GraphWriter, value: Value, shape: readonly number[]): Value {
  return sameShape(value.shape, shape) ? value : graph.node('Reshape', [value, graph.ints(shape)])
}

/** Sums a gradient over the axes along which its value was broadcast: the adjoint of broadcasting. */
export function unbroadcast(graph: GraphWriter, gradient: Value, shape: readonly number[]): Value {
  if (elements(gradient.shape) === elements(shape)) return reshape(graph, gradient, shape)
  const lead = gradient.shape.length - shape.length
  const axes = gradient.shape.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  )
  return reshape(graph, graph.node('ReduceSum', [gradient, graph.ints(axes)], { keepdims: int(0) }), shape)
}
