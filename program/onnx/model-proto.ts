import protobuf from 'protobufjs'

/**
 * The part of ONNX that a program may use (github.com/onnx/onnx, onnx/onnx.proto, same field numbers). What is
 * left out (subgraphs, functions, external data, sparse tensors) can be neither written nor read.
 */
const schema = `
syntax = "proto2";
message AttributeProto { optional string name = 1; optional float f = 2; optional int64 i = 3; repeated int64 ints = 8; optional int32 type = 20; }
message NodeProto { repeated string input = 1; repeated string output = 2; optional string name = 3; optional string op_type = 4; repeated AttributeProto attribute = 5; optional string domain = 7; }
message TensorProto { repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9; }
message Dimension { optional int64 dim_value = 1; }
message TensorShapeProto { repeated Dimension dim = 1; }
message TensorTypeProto { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
message TypeProto { optional TensorTypeProto tensor_type = 1; }
message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
message GraphProto { repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5; repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; }
message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
message StringStringEntryProto { optional string key = 1; optional string value = 2; }
message ModelProto { optional int64 ir_version = 1; optional string producer_name = 2; optional GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; repeated StringStringEntryProto metadata_props = 14; }
`
export const modelProto = protobuf.parse(schema, { keepCase: true }).root.lookupType('ModelProto')

/** ONNX release 1.12: opset 17 is the first with LayerNormalization, and every provider of the engines has it. */
const opsetVersion = 17
const irVersion = 8

export const elementTypes = { float32: 1, int64: 7 } as const
export type ElementType = keyof typeof elementTypes
export const bytesPerElement: Readonly<Record<ElementType, number>> = { float32: 4, int64: 8 }

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly values: readonly number[] }

export interface OnnxNode {
  readonly name: string
  readonly opType: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, Attribute>
}

export interface TensorType {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
}

/** A constant: little-endian bytes, row-major. */
export interface OnnxTensor extends TensorType {
  readonly bytes: Uint8Array
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly TensorType[]
  readonly outputs: readonly TensorType[]
  readonly metadata: ReadonlyMap<string, string>
}

export const attributeTypes = { float: 1, int: 2, ints: 7 } as const

function attributeMessage(name: string, attribute: Attribute): object {
  const type = attributeTypes[attribute.kind]
  switch (attribute.kind) {
    case 'float':
      return { name, f: attribute.value, type }
    case 'int':
      return { name, i: attribute.value, type }
    case 'ints':
      return { name, ints: attribute.values, type }
    default:
      return attribute satisfies never
  }
}

const valueInfoMessage = ({ name, type, shape }: TensorType): object => ({
  name,
  type: {
    tensor_type: {
      elem_type: elementTypes[type],
      shape: { dim: shape.map((size) => ({ dim_value: size })) },
    },
  },
})

/** The bytes of a model: equal models have equal bytes, on any host. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const message = {
    ir_version: irVersion,
    producer_name: 'murmuration',
    graph: {
      node: model.nodes.map((node) => ({
        input: node.inputs,
        output: node.outputs,
        name: node.name,
        op_type: node.opType,
        attribute: [...node.attributes].map(([name, attribute]) => attributeMessage(name, attribute)),
      })),
      name: 'program',
      initializer: model.initializers.map(({ name, type, shape, bytes }) => ({
        dims: shape,
        data_type: elementTypes[type],
        name,
        raw_data: bytes,
      })),
      input: model.inputs.map(valueInfoMessage),
      output: model.outputs.map(valueInfoMessage),
    },
    opset_import: [{ domain: '', version: opsetVersion }],
    metadata_props: [...model.metadata].map(([key, value]) => ({ key, value })),
  }
  // A copy: the writer's buffer is a slice of a shared pool, and its owner may want to transfer it.
  return Uint8Array.from(modelProto.encode(message).finish())
}
