import { defaultProgramLimits } from '../check-program.ts'
import type { Graph } from '../graph.ts'
import {
  type Attributes,
  int,
  type Value,
  type WrittenAttribute,
  type WrittenAttributes,
} from '../operators/operator.ts'
import { folds } from './fold.ts'
import type { HostTensor } from './host-tensor.ts'

/** What a name of the imported graph stands for: a value known already, one of the program's, or a list of either. */
export type Operand = HostTensor | Value | Sequence

/** Exporters write a split as a sequence of which each part is taken. */
export interface Sequence {
  readonly items: readonly (HostTensor | Value)[]
}

export type Tensor = HostTensor | Value

export const isConstant = (operand: Operand): operand is HostTensor => 'values' in operand

export function asTensor(operand: Operand | undefined): Tensor {
  if (operand === undefined) throw new Error('an input is left out')
  if ('items' in operand) throw new Error('a sequence is used as a tensor')
  return operand
}

/** The values of a constant operand. */
export function knownValues(operand: Operand | undefined, what: string): readonly number[] {
  if (operand === undefined || !isConstant(operand))
    throw new Error(`${what} depends on what is trained or fed`)
  return Array.from(operand.values)
}

/** What no worker would run anyway: an unrolled layer can have many. */
const { maxNodes } = defaultProgramLimits

/** Appends operators to a program, or computes them at once where everything they read is known. */
export interface OperandWriter {
  node(opType: string, inputs: readonly Tensor[], attributes?: WrittenAttributes): Tensor
  nodes(
    opType: string,
    inputs: readonly Tensor[],
    outputCount: number,
    attributes?: WrittenAttributes,
  ): readonly Tensor[]
  /** As a value of the program: a constant becomes one of its constants. */
  value(operand: Tensor): Value
  scalar(value: number): HostTensor
  ints(values: readonly number[]): HostTensor
}

export function operandWriter(graph: Graph): OperandWriter {
  const lowered = new WeakMap<HostTensor, Value>()
  const value = (operand: Tensor): Value => {
    if (!isConstant(operand)) return operand
    const known = lowered.get(operand)
    if (known !== undefined) return known
    const made = lower(graph, operand)
    lowered.set(operand, made)
    return made
  }
  const nodes: OperandWriter['nodes'] = (opType, inputs, outputCount, attributes = {}) => {
    const fold = folds.get(opType)
    if (fold !== undefined && inputs.every(isConstant))
      return fold({ inputs, attributes: withoutText(attributes), outputCount })
    if (graph.nodesSoFar.length > maxNodes)
      throw new Error(`with it, the pass has more than ${maxNodes} operators`)
    return graph.nodes(opType, inputs.map(value), outputCount, attributes)
  }
  return {
    node: (opType, inputs, attributes) => nodes(opType, inputs, 1, attributes)[0]!,
    nodes,
    value,
    scalar: (number) => ({ type: 'float32', shape: [], values: Float32Array.of(number) }),
    ints: (list) => ({ type: 'int64', shape: [list.length], values: Float64Array.from(list) }),
  }
}

const withoutText = (attributes: WrittenAttributes): Attributes =>
  new Map(
    Object.entries(attributes).flatMap(([name, attribute]: [string, WrittenAttribute]) =>
      attribute.kind === 'string' ? [] : [[name, attribute]],
    ),
  )

/** Programs have float32 constants of any shape and lists of integers; other shapes and truth values are made of these. */
function lower(graph: Graph, { type, shape, values }: HostTensor): Value {
  if (values.length === 0) throw new Error(`a constant of shape [${shape}] is empty`)
  if (type === 'float32') return graph.floats(values, shape)
  if (type === 'bool') return graph.node('Cast', [graph.floats(values, shape)], { to: int(9) })
  const list = graph.ints(Array.from(values))
  if (shape.length === 1) return list
  if (shape.length === 0) return graph.node('Squeeze', [list, graph.ints([0])])
  return graph.node('Reshape', [list, graph.ints(shape)])
}
