import type { ValueType } from '../operators/operator.ts'
import type { HostTensor } from './host-tensor.ts'

/** An ONNX model from elsewhere, as far as it can be imported at all: default domain, one graph, plain nodes. */
export interface ForeignModel {
  readonly opset: number
  readonly nodes: readonly ForeignNode[]
  readonly initializers: ReadonlyMap<string, ForeignTensor>
  /** Without those that are initializers. */
  readonly inputs: readonly ForeignInput[]
  readonly outputs: readonly string[]
  /** What PyTorch's newer exporter says of an initializer. */
  readonly kinds: ReadonlyMap<string, SignatureKind>
}

/** torch.export's InputSpec: a parameter, a buffer that is part of the state_dict, or something else. */
export type SignatureKind = 'parameter' | 'buffer' | 'other'

export interface ForeignNode {
  readonly name: string
  readonly opType: string
  /** An input that is left out has the name ''. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, ForeignAttribute>
}

/** A node as a file has it: perhaps a call of one of the file's functions, or part of the body of one. */
export interface WrittenNode extends ForeignNode {
  /** '' for ONNX's own. */
  readonly domain: string
  readonly overload: string
  /** Attributes that are those of the call of the function that this node is in: its own name → the function's. */
  readonly references: ReadonlyMap<string, string>
}

/** A FunctionProto: what a call of it stands for. */
export interface ForeignFunction {
  readonly domain: string
  readonly name: string
  readonly overload: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly nodes: readonly WrittenNode[]
  /** Attributes that a call may leave out. */
  readonly defaults: ReadonlyMap<string, ForeignAttribute>
}

export type ForeignAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly values: readonly number[] }
  | { readonly kind: 'floats'; readonly values: readonly number[] }
  | { readonly kind: 'strings'; readonly values: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: ForeignTensor }

export interface ForeignTensor {
  readonly name: string
  readonly type: ValueType
  readonly shape: readonly number[]
  /** Decodes the values; nothing of their size is held before. */
  read(): HostTensor
}

export interface ForeignInput {
  readonly name: string
  readonly type: ValueType
  /** A size, or the name of one that is told later ('' when it has none). */
  readonly dims: readonly (number | string)[]
}

/** Gives bytes of a file beside the model; throws when there is no such place. */
export type ExternalData = (location: string, offset: number, length: number) => Uint8Array
