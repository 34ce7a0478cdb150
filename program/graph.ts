import { invariant, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type {
  Attribute,
  ElementType,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  TensorType,
} from './onnx/model-proto.ts'
import { compositions } from './operators/compositions/table.ts'
import {
  type GraphWriter,
  maxRank,
  require,
  type Value,
  type WrittenAttribute,
  type WrittenAttributes,
} from './operators/operator.ts'
import { operators } from './operators/table.ts'

/** A graph under construction: nodes in the order they run, each value's shape known. */
export interface Graph extends GraphWriter {
  readonly nodesSoFar: readonly OnnxNode[]
  /** Values between the blocks of a model, in order, as its forward pass marks them. */
  readonly boundaries: readonly Value[]
  boundary(value: Value): void
  value(name: string): Value
  input(name: string, type: ElementType, shape: readonly number[]): Value
  /** Gives a computed value out under a name of its own. */
  output(name: string, value: Value): void
  model(metadata: ReadonlyMap<string, string>): OnnxModel
}

/**
 * An empty graph. Names are counted, constants are stored once, so that equal building steps give equal bytes.
 * Its `node` and `nodes` throw PROGRAM_INVALID when an operator is unknown or its inputs do not fit. An operator that
 * is a composition (`operators/compositions/`) is written as the operators that it stands for.
 */
export function createGraph(): Graph {
  const values = new Map<string, Value>()
  const constants = new Map<string, Value>()
  const nodesSoFar: OnnxNode[] = []
  const boundaries: Value[] = []
  const initializers: OnnxTensor[] = []
  const inputs: TensorType[] = []
  const makers = new Map<string, OnnxNode>()
  /** Value name → the output that it is given out as. */
  const outputs = new Map<string, TensorType>()

  const define = (value: Value): Value => {
    invariant(!values.has(value.name), `${value.name} is defined once`)
    values.set(value.name, value)
    return value
  }
  const constant = (
    type: ElementType,
    shape: readonly number[],
    bytes: Uint8Array,
    ints?: readonly number[],
  ) => {
    const key = `${type}[${shape}]${Buffer.from(bytes).toString('base64')}`
    const known = constants.get(key)
    if (known) return known
    const name = `c${constants.size}`
    initializers.push({ name, type, shape, bytes })
    const value = define({ name, type, shape, ints })
    constants.set(key, value)
    return value
  }
  const append = (
    opType: string,
    from: readonly Value[],
    outputCount: number,
    attributes: WrittenAttributes = {},
  ): readonly Value[] => {
    const name = `${opType}_${nodesSoFar.length}`
    const written = new Map(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
    const composition = compositions.get(opType)
    if (composition) {
      const compose = () => composition({ graph, inputs: from, attributes: written, outputCount })
      return withOutputs(name, opType, outputCount, compose)
    }
    const sorted = withoutText(name, opType, written)
    const made = inferNode(name, opType, from, sorted, outputCount).map((shape, index) =>
      define({ ...shape, name: `v${nodesSoFar.length}${index === 0 ? '' : `_${index}`}` }),
    )
    const node = {
      name,
      opType,
      inputs: from.map((value) => value.name),
      outputs: made.map((value) => value.name),
      attributes: sorted,
    }
    nodesSoFar.push(node)
    for (const value of made) makers.set(value.name, node)
    return made
  }

  const graph: Graph = {
    nodesSoFar,
    boundaries,
    boundary(value) {
      boundaries.push(value)
    },
    node: (opType, from, attributes) => append(opType, from, 1, attributes)[0]!,
    nodes: (opType, from, outputCount, attributes) => append(opType, from, outputCount, attributes),
    scalar: (value) => constant('float32', [], floatBytes([value])),
    floats: (floats, shape) => constant('float32', shape, floatBytes(floats)),
    ints: (list) => constant('int64', [list.length], intBytes(list), list),
    value(name) {
      const value = values.get(name)
      invariant(value !== undefined, `${name} is a value of the graph`)
      return value
    },
    input(name, type, shape) {
      inputs.push({ name, type, shape })
      return define({ name, type, shape })
    },
    maker: (value) => makers.get(value.name),
    output(name, value) {
      const made = makers.has(value.name) && !outputs.has(value.name)
      const { type, shape } = value
      invariant(type !== 'bool' && type !== 'float16', `${type} is not given out`)
      const own = made ? value : append('Identity', [value], 1)[0]!
      outputs.set(own.name, { name, type, shape })
    },
    model(metadata) {
      const given = (name: string) => outputs.get(name)?.name ?? name
      const nodes = nodesSoFar.map((node) => ({
        ...node,
        inputs: node.inputs.map(given),
        outputs: node.outputs.map(given),
      }))
      return { nodes, initializers, inputs, outputs: [...outputs.values()], metadata }
    },
  }
  return graph
}

/**
 * Types and shapes of one node's outputs, by its operator's rule.
 * @throws MurmurError PROGRAM_INVALID naming the node and what is wrong with it.
 */
export function inferNode(
  name: string,
  opType: string,
  inputs: readonly Value[],
  attributes: ReadonlyMap<string, Attribute>,
  outputCount: number,
): readonly Omit<Value, 'name'>[] {
  const operator = operators.get(opType)
  if (operator === undefined)
    throw invalidProgram(`node ${name}: operator ${opType} is not on the allow-list`)
  return withOutputs(name, opType, outputCount, () => {
    require(operator.takesHalf ||
      inputs.every(({ type }) => type !== 'float16'), 'float16 is for casts and products')
    const shapes = operator.infer({ inputs, attributes, outputCount })
    for (const { shape } of shapes)
      require(shape.length <= maxRank, `${shape.length} axes, at most ${maxRank}`)
    return shapes
  })
}

/** What a rule gives, if it is as many outputs as the node has. */
function withOutputs<Output>(
  name: string,
  opType: string,
  outputCount: number,
  rule: () => readonly Output[],
): readonly Output[] {
  let made: readonly Output[]
  try {
    made = rule()
  } catch (cause) {
    if (isMurmurError(cause)) throw cause
    throw invalidProgram(`node ${name} (${opType}): ${cause instanceof Error ? cause.message : cause}`, cause)
  }
  if (made.length !== outputCount) {
    throw invalidProgram(`node ${name} (${opType}): it has ${outputCount} outputs instead of ${made.length}`)
  }
  return made
}

function withoutText(
  name: string,
  opType: string,
  attributes: ReadonlyMap<string, WrittenAttribute>,
): ReadonlyMap<string, Attribute> {
  const plain = new Map<string, Attribute>()
  for (const [key, attribute] of attributes) {
    if (attribute.kind === 'string')
      throw invalidProgram(`node ${name} (${opType}): attribute ${key} is text, which no operator takes`)
    plain.set(key, attribute)
  }
  return plain
}

export function invalidProgram(message: string, cause?: unknown): MurmurError {
  return new MurmurError('PROGRAM_INVALID', {
    message: message.slice(0, 400),
    next: 'do not run it: whoever submitted the run must rebuild its programs',
    exit: 'verification',
    cause,
  })
}

/** Little-endian whatever the host is. */
function floatBytes(values: ArrayLike<number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  for (let index = 0; index < values.length; index++) view.setFloat32(index * 4, values[index]!, true)
  return new Uint8Array(view.buffer)
}

function intBytes(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 8))
  for (const [index, value] of values.entries()) view.setBigInt64(index * 8, BigInt(value), true)
  return new Uint8Array(view.buffer)
}
