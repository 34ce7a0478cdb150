import { MurmurError } from '../../protocol/errors.ts'
import { maxProgramBytes } from '../../protocol/limits.ts'
import { checkFieldBudget } from './field-budget.ts'
import {
  type Attribute,
  attributeTypes,
  type ElementType,
  elementTypes,
  encodeModel,
  modelProto,
  type OnnxModel,
  type TensorType,
} from './model-proto.ts'

/**
 * Reads bytes from outside. Only the one encoding that `encodeModel` writes is taken, so whatever else ONNX
 * can say (or protobuf can hide in unknown fields) is refused by the same comparison.
 * @throws MurmurError PROGRAM_MALFORMED (exit `verification`).
 */
export function decodeModel(bytes: Uint8Array, maxBytes: number = maxProgramBytes): OnnxModel {
  if (bytes.length > maxBytes) throw malformed(`it has ${bytes.length} bytes, the limit is ${maxBytes}`)
  let model: OnnxModel
  try {
    checkFieldBudget(bytes, modelProto)
    model = readModel(
      modelProto.toObject(modelProto.decode(bytes), { longs: Number, arrays: true }) as ModelMessage,
    )
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message.slice(0, 200) : 'it cannot be read', cause)
  }
  if (Buffer.compare(encodeModel(model), bytes) !== 0) {
    throw malformed(
      'it holds more than opset 17, float32 and int64 tensors and plain nodes, or is not canonical',
    )
  }
  return model
}

interface ModelMessage {
  readonly graph?: {
    readonly node: readonly NodeMessage[]
    readonly initializer: readonly {
      readonly dims: readonly number[]
      readonly data_type?: number
      readonly name?: string
      readonly raw_data?: Uint8Array
    }[]
    readonly input: readonly ValueInfoMessage[]
    readonly output: readonly ValueInfoMessage[]
  }
  readonly metadata_props: readonly { readonly key?: string; readonly value?: string }[]
}

interface NodeMessage {
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly name?: string
  readonly op_type?: string
  readonly attribute: readonly {
    readonly name?: string
    readonly f?: number
    readonly i?: number
    readonly ints: readonly number[]
    readonly type?: number
  }[]
}

interface ValueInfoMessage {
  readonly name?: string
  readonly type?: {
    readonly tensor_type?: {
      readonly elem_type?: number
      readonly shape?: { readonly dim: readonly { readonly dim_value?: number }[] }
    }
  }
}

function readModel({ graph, metadata_props }: ModelMessage): OnnxModel {
  if (graph === undefined) throw new Error('it has no graph')
  return {
    nodes: graph.node.map((node) => ({
      name: node.name ?? '',
      opType: node.op_type ?? '',
      inputs: node.input,
      outputs: node.output,
      attributes: new Map(
        node.attribute.map((attribute) => [attribute.name ?? '', readAttribute(attribute)]),
      ),
    })),
    initializers: graph.initializer.map(({ name, data_type, dims, raw_data }) => ({
      name: name ?? '',
      type: readElementType(data_type),
      // An empty list of sizes is what a Reshape to a scalar takes.
      shape: data_type === elementTypes.int64 && String(dims) === '0' ? dims : readShape(dims),
      bytes: raw_data ?? new Uint8Array(),
    })),
    inputs: graph.input.map(readValueInfo),
    outputs: graph.output.map(readValueInfo),
    metadata: new Map(metadata_props.map(({ key, value }) => [key ?? '', value ?? ''])),
  }
}

function readAttribute({ f, i, ints, type }: NodeMessage['attribute'][number]): Attribute {
  if (type === attributeTypes.float && f !== undefined) return { kind: 'float', value: f }
  if (type === attributeTypes.int && i !== undefined) return { kind: 'int', value: i }
  if (type === attributeTypes.ints) return { kind: 'ints', values: ints }
  throw new Error(`an attribute has type ${type}`)
}

function readValueInfo({ name, type }: ValueInfoMessage): TensorType {
  const tensor = type?.tensor_type
  return {
    name: name ?? '',
    type: readElementType(tensor?.elem_type),
    shape: readShape((tensor?.shape?.dim ?? []).map((dimension) => dimension.dim_value ?? -1)),
  }
}

function readElementType(code: number | undefined): ElementType {
  for (const [name, known] of Object.entries(elementTypes)) if (known === code) return name as ElementType
  throw new Error(`element type ${code} is neither float32 nor int64`)
}

function readShape(sizes: readonly number[]): readonly number[] {
  if (sizes.length > 8 || sizes.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw new Error(`shape [${sizes.slice(0, 9).join(', ')}] is not static`)
  }
  return sizes
}

function malformed(why: string, cause?: unknown): MurmurError {
  return new MurmurError('PROGRAM_MALFORMED', {
    message: `these bytes are not a training program: ${why}`,
    next: 'fetch the program again; if its CID still matches, whoever submitted the run must rebuild it',
    exit: 'verification',
    cause,
  })
}
