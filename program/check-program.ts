import { MurmurError } from '../protocol/errors.ts'
import { maxProgramBytes } from '../protocol/limits.ts'
import { inferNode, invalidProgram } from './graph.ts'
import { decodeModel } from './onnx/decode-model.ts'
import { bytesPerElement, type OnnxModel, type OnnxTensor } from './onnx/model-proto.ts'
import { elements, type Value } from './operators/operator.ts'
import { operators } from './operators/table.ts'
import { type ProgramInfo, parseInfo } from './program-info.ts'
import { checkInterface } from './program-interface.ts'

export type { ProgramInfo } from './program-info.ts'

export interface ProgramLimits {
  readonly maxBytes: number
  readonly maxNodes: number
  /** One tensor, and all tensors that are alive at once. */
  readonly maxTensorBytes: number
  readonly maxLiveBytes: number
}

/** Nodes: a GPT has about 110 a layer. Tensors: one flat vector of 256 M parameters; all live: a 12 GiB card. */
export const defaultProgramLimits: ProgramLimits = {
  maxBytes: maxProgramBytes,
  maxNodes: 40_000,
  maxTensorBytes: 2 ** 30,
  maxLiveBytes: 12 * 2 ** 30,
}

export interface CheckedProgram extends ProgramInfo {
  readonly nodes: number
  /** Upper bound on what its tensors take at the worst moment of a step. */
  readonly peakBytes: number
  /** f16 where any of its products are taken in it, which not every engine can. */
  readonly compute: 'f32' | 'f16'
}

/**
 * Decides from the bytes alone whether a program may run here: canonical ONNX, allow-listed operators only, every
 * shape inferred anew and within the limits, inputs and outputs as its kind says, a consistent parameter table.
 * Nothing of the tensors' size is allocated.
 * @throws MurmurError PROGRAM_MALFORMED, PROGRAM_INVALID (exit `verification`), PROGRAM_TOO_BIG (exit `infeasible`).
 */
export function checkProgram(
  bytes: Uint8Array,
  limits: ProgramLimits = defaultProgramLimits,
): CheckedProgram {
  const model = decodeModel(bytes, limits.maxBytes)
  let info: ProgramInfo
  try {
    info = parseInfo(model.metadata)
  } catch (cause) {
    throw invalidProgram(cause instanceof Error ? cause.message : 'its metadata cannot be read', cause)
  }
  if (model.nodes.length > limits.maxNodes)
    throw tooBig(`${model.nodes.length} nodes`, `${limits.maxNodes} nodes`)
  const values = sourceValues(model, limits)
  const peakBytes = inferAll(model, values, limits)
  checkInterface(model, values, info)
  const compute = [...values.values()].some(({ type }) => type === 'float16') ? 'f16' : 'f32'
  return { ...info, nodes: model.nodes.length, peakBytes, compute }
}

function sourceValues(model: OnnxModel, limits: ProgramLimits): Map<string, Value> {
  const values = new Map<string, Value>()
  for (const tensor of [...model.inputs, ...model.initializers]) {
    if (tensor.name === '' || values.has(tensor.name))
      throw invalidProgram(`"${tensor.name.slice(0, 60)}" is defined twice`)
    checkSize(tensor.name, tensor, limits)
    values.set(tensor.name, tensor)
  }
  for (const constant of model.initializers) values.set(constant.name, constantValue(constant))
  return values
}

/** What shape rules know of a constant: of integers, their values. */
export function constantValue({ name, type, shape, bytes }: OnnxTensor): Value {
  if (bytes.length !== elements(shape) * bytesPerElement[type])
    throw invalidProgram(`constant ${name} has the wrong size`)
  if (type !== 'int64') return { name, type, shape }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ints = Array.from({ length: bytes.length / 8 }, (_, index) =>
    Number(view.getBigInt64(index * 8, true)),
  )
  return { name, type, shape, ints }
}

/** Runs every operator's shape rule in order, so that a cycle or an undefined input shows as one. Gives the peak of live bytes. */
function inferAll(model: OnnxModel, values: Map<string, Value>, limits: ProgramLimits): number {
  const lastUse = new Map<string, number>()
  model.nodes.forEach((node, index) => {
    for (const name of node.inputs) lastUse.set(name, index)
  })
  for (const { name } of model.outputs) lastUse.set(name, model.nodes.length)
  let live = 0
  for (const value of values.values()) live += sizeOf(value)
  let peak = live
  model.nodes.forEach((node, index) => {
    const inputs = node.inputs.map((name) => {
      const value = values.get(name)
      if (value === undefined)
        throw invalidProgram(`node ${node.name}: its input "${name.slice(0, 60)}" is not defined before it`)
      return value
    })
    const isEmpty = ({ shape }: Value, place: number) =>
      shape.includes(0) && !(node.opType === 'Reshape' && place === 1)
    if (inputs.some(isEmpty)) throw invalidProgram(`node ${node.name}: an input of it has no values`)
    const shapes = inferNode(
      node.name.slice(0, 60),
      node.opType.slice(0, 60),
      inputs,
      node.attributes,
      node.outputs.length,
    )
    shapes.forEach((shape, output) => {
      const name = node.outputs[output]!
      if (name === '' || values.has(name))
        throw invalidProgram(`node ${node.name}: its output "${name.slice(0, 60)}" is defined twice`)
      checkSize(name, shape, limits)
      values.set(name, { ...shape, name })
      live += sizeOf(shape)
    })
    const { attributes, outputs } = node
    const workspace =
      operators.get(node.opType)!.workspaceBytes?.({ inputs, attributes, outputCount: outputs.length }) ?? 0
    if (live + workspace > limits.maxLiveBytes)
      throw tooBig(`${live + workspace} bytes at once (node ${node.name})`, `${limits.maxLiveBytes}`)
    peak = Math.max(peak, live + workspace)
    for (const name of new Set([...node.inputs, ...node.outputs])) {
      if ((lastUse.get(name) ?? index) === index) live -= sizeOf(values.get(name)!)
    }
  })
  return peak
}

type Sized = Omit<Value, 'name'>

/** Of float16 as of float32: onnxruntime computes in float32 where a processor has no halves (x64, WebAssembly). */
const bytesPerValue: Readonly<Record<Value['type'], number>> = { ...bytesPerElement, float16: 4, bool: 1 }
const sizeOf = ({ type, shape }: Sized): number => elements(shape) * bytesPerValue[type]

function checkSize(name: string, tensor: Sized, { maxTensorBytes }: ProgramLimits): void {
  const size = sizeOf(tensor)
  if (size > maxTensorBytes)
    throw tooBig(`${size} bytes for ${name.slice(0, 60)}`, `${maxTensorBytes} a tensor`)
}

function tooBig(what: string, limit: string): MurmurError {
  return new MurmurError('PROGRAM_TOO_BIG', {
    message: `the program needs ${what}, the limit is ${limit}`,
    next: 'lower train.batch, model.width or model.layers of the run',
    exit: 'infeasible',
  })
}
