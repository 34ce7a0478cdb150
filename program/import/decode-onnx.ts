import { isMurmurError } from '../../protocol/errors.ts'
import { maxStateBlockBytes } from '../../protocol/limits.ts'
import { decodeFunctions } from './decode-function.ts'
import { decodeNode } from './decode-node.ts'
import { checkOpset, decodeOpset } from './decode-opset.ts'
import { decodeTensor, maxImportedElements, type TensorDecoding } from './decode-tensor.ts'
import type {
  ExternalData,
  ForeignInput,
  ForeignModel,
  ForeignTensor,
  SignatureKind,
  WrittenNode,
} from './foreign-model.ts'
import { inlineFunctions } from './inline-functions.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'
import { storedTypes } from './tensor-data.ts'
import { integerOf, messageOf, textOf, wireFields } from './wire-reader.ts'

/** Fields of a whole file: a transformer of a hundred layers has about 100,000. */
const maxFields = 2_000_000
const maxNodes = 100_000

/**
 * Reads an ONNX ModelProto (github.com/onnx/onnx, onnx/onnx.proto) that other software wrote. Bounded: the number of
 * fields, nodes and values, and every length, are checked before anything of their size is made; tensors are views.
 * @param external gives bytes of files beside the model; without it, a model that has some is refused.
 * @throws MurmurError ONNX_MALFORMED, ONNX_UNSUPPORTED (exit `usage`).
 */
export function decodeOnnx(bytes: Uint8Array, external?: ExternalData): ForeignModel {
  if (bytes.length > maxStateBlockBytes)
    throw unsupportedOnnx(`it has ${bytes.length} bytes, the limit is ${maxStateBlockBytes}`)
  const decoding: TensorDecoding = {
    budget: { left: maxFields },
    elements: { left: maxImportedElements },
    external,
  }
  try {
    return decodeModel(bytes, decoding)
  } catch (cause) {
    if (isMurmurError(cause)) throw cause
    throw malformedOnnx(cause instanceof Error ? cause.message : 'it cannot be read', cause)
  }
}

function decodeModel(bytes: Uint8Array, decoding: TensorDecoding): ForeignModel {
  let graph: Uint8Array | undefined
  const functions: Uint8Array[] = []
  let opset = 0
  for (const field of wireFields(bytes, decoding.budget)) {
    if (field.number === 7) graph = messageOf(field)
    if (field.number === 8) {
      const { domain, version } = decodeOpset(messageOf(field), decoding.budget)
      if (domain === '') opset = version
    }
    if (field.number === 25) functions.push(messageOf(field))
    if (field.number === 20) throw unsupportedOnnx('it holds training information of its own')
  }
  if (graph === undefined) throw malformedOnnx('it has no graph')
  checkOpset(opset)
  const { nodes, ...parts } = decodeGraph(graph, decoding)
  const known = decodeFunctions(functions, decoding, maxNodes)
  return { opset, ...parts, nodes: inlineFunctions(nodes, known, maxNodes) }
}

function decodeGraph(message: Uint8Array, decoding: TensorDecoding) {
  const nodes: WrittenNode[] = []
  const initializers = new Map<string, ForeignTensor>()
  const inputs: ForeignInput[] = []
  const outputs: string[] = []
  const kinds = new Map<string, SignatureKind>()
  for (const field of wireFields(message, decoding.budget)) {
    switch (field.number) {
      case 1:
        if (nodes.push(decodeNode(messageOf(field), decoding)) > maxNodes)
          throw unsupportedOnnx(`it has more than ${maxNodes} nodes`)
        break
      case 5: {
        const tensor = decodeTensor(messageOf(field), decoding)
        if (tensor.name === '' || initializers.has(tensor.name))
          throw malformedOnnx(`two initializers are called ${shown(tensor.name)}`)
        initializers.set(tensor.name, tensor)
        break
      }
      case 11:
        inputs.push(decodeInput(messageOf(field), decoding))
        break
      case 12:
        outputs.push(decodeNamed(messageOf(field), decoding).name)
        break
      case 13: {
        const { name, kind } = decodeNamed(messageOf(field), decoding)
        if (kind !== undefined) kinds.set(name, kind)
        break
      }
      case 15:
        throw unsupportedOnnx('it holds sparse initializers')
    }
  }
  return { nodes, initializers, inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs, kinds }
}

const kindKey = 'pkg.torch.export.graph_signature.InputSpec.kind'
const persistentKey = 'pkg.torch.export.graph_signature.InputSpec.persistent'

/** A ValueInfoProto's name, its type's bytes, and what the exporter says of it. */
function decodeNamed(message: Uint8Array, { budget }: TensorDecoding) {
  let name = ''
  let type: Uint8Array | undefined
  const notes = new Map<string, string>()
  for (const field of wireFields(message, budget)) {
    if (field.number === 1) name = textOf(field)
    if (field.number === 2) type = messageOf(field)
    if (field.number !== 4) continue
    let [key, value] = ['', '']
    for (const entry of wireFields(messageOf(field), budget)) {
      if (entry.number === 1) key = textOf(entry)
      if (entry.number === 2) value = textOf(entry)
    }
    notes.set(key, value)
  }
  return { name, type, kind: kindOf(notes) }
}

function kindOf(notes: ReadonlyMap<string, string>): SignatureKind | undefined {
  const kind = notes.get(kindKey)
  if (kind === undefined) return undefined
  if (kind === 'PARAMETER') return 'parameter'
  return kind === 'BUFFER' && notes.get(persistentKey) !== 'False' ? 'buffer' : 'other'
}

function decodeInput(message: Uint8Array, decoding: TensorDecoding): ForeignInput {
  const { budget } = decoding
  const { name, type } = decodeNamed(message, decoding)
  let [code, ranked] = [0, false]
  const dims: (number | string)[] = []
  for (const field of wireFields(type ?? new Uint8Array(0), budget)) {
    if (field.number !== 1) throw unsupportedOnnx(`input ${shown(name)} is not a tensor`)
    for (const part of wireFields(messageOf(field), budget)) {
      if (part.number === 1) code = integerOf(part)
      if (part.number !== 2) continue
      ranked = true
      for (const dim of wireFields(messageOf(part), budget)) {
        if (dim.number === 1 && dims.push(decodeDim(messageOf(dim), decoding)) > 8)
          throw unsupportedOnnx(`input ${shown(name)} has more than eight axes`)
      }
    }
  }
  const stored = storedTypes.get(code)
  if (stored === undefined) throw unsupportedOnnx(`input ${shown(name)} has the element type ${code}`)
  if (!ranked) throw unsupportedOnnx(`input ${shown(name)} has no shape`)
  return { name, type: stored.becomes, dims }
}

function decodeDim(message: Uint8Array, { budget }: TensorDecoding): number | string {
  let dim: number | string = ''
  for (const field of wireFields(message, budget)) {
    if (field.number === 1) dim = integerOf(field)
    if (field.number === 2) dim = textOf(field)
  }
  if (typeof dim === 'number' && dim < 1) throw unsupportedOnnx(`an axis has the size ${dim}`)
  return dim
}
