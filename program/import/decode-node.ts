import { decodeTensor, type TensorDecoding } from './decode-tensor.ts'
import type { ForeignAttribute, ForeignNode, WrittenNode } from './foreign-model.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'
import { floatOf, integerOf, messageOf, saturated, textOf, varintsOf, wireFields } from './wire-reader.ts'

/** Inputs or outputs of one node, and numbers in one attribute. */
const maxOperands = 4096
const maxListed = 65_536

/** AttributeProto.AttributeType. */
const kinds: ReadonlyMap<number, ForeignAttribute['kind']> = new Map([
  [1, 'float'],
  [2, 'int'],
  [3, 'string'],
  [4, 'tensor'],
  [6, 'floats'],
  [7, 'ints'],
  [8, 'strings'],
])

/** A NodeProto without graphs of its own. */
export function decodeNode(message: Uint8Array, decoding: TensorDecoding): WrittenNode {
  const inputs: string[] = []
  const outputs: string[] = []
  let [name, opType, domain, overload] = ['', '', '', '']
  const written: Uint8Array[] = []
  for (const field of wireFields(message, decoding.budget)) {
    if (field.number === 1) inputs.push(textOf(field))
    else if (field.number === 2) outputs.push(textOf(field))
    else if (field.number === 3) name = textOf(field)
    else if (field.number === 4) opType = textOf(field)
    else if (field.number === 5) written.push(messageOf(field))
    else if (field.number === 7) domain = domainOf(textOf(field))
    else if (field.number === 8) overload = textOf(field)
  }
  const node = { name: name === '' ? (outputs[0] ?? '') : name, opType, domain, overload, inputs, outputs }
  if (inputs.length > maxOperands || outputs.length > maxOperands || outputs.length === 0)
    throw malformedOnnx(`node ${shown(node.name)} has ${inputs.length} inputs and ${outputs.length} outputs`)
  const attributes = new Map<string, ForeignAttribute>()
  const references = new Map<string, string>()
  for (const bytes of written) {
    const [attribute, value] = decodeAttribute(bytes, node, decoding)
    if (typeof value === 'string') references.set(attribute, value)
    else attributes.set(attribute, value)
  }
  return { ...node, attributes, references }
}

/** ONNX's own operators have no domain, or this one. */
export const domainOf = (text: string): string => (text === 'ai.onnx' ? '' : text)

/** An AttributeProto: its name, and its value or the name of the function's attribute that gives it. */
export function decodeAttribute(
  message: Uint8Array,
  { name: node, opType }: Pick<ForeignNode, 'name' | 'opType'>,
  decoding: TensorDecoding,
): readonly [string, ForeignAttribute | string] {
  let [name, type, float, integer, text, reference] = ['', 0, 0, 0, '', '']
  const floats: number[] = []
  const integers: number[] = []
  const texts: string[] = []
  let tensor: Uint8Array | undefined
  for (const field of wireFields(message, decoding.budget)) {
    switch (field.number) {
      case 1:
        name = textOf(field)
        break
      case 2:
        float = floatOf(field)
        break
      case 3:
        integer = integerOf(field)
        break
      case 4:
        text = textOf(field)
        break
      case 5:
        tensor = messageOf(field)
        break
      case 7:
        for (const value of floatsOf(field)) floats.push(value)
        break
      case 8:
        for (const value of varintsOf(field)) {
          if (integers.push(saturated(value)) > maxListed)
            throw malformedOnnx(`node ${shown(node)} has more than ${maxListed} numbers in an attribute`)
        }
        break
      case 9:
        if (texts.push(textOf(field)) > maxListed)
          throw malformedOnnx(`node ${shown(node)} has more than ${maxListed} texts in an attribute`)
        break
      case 20:
        type = integerOf(field)
        break
      case 6:
      case 11:
        throw unsupportedOnnx(
          `node ${shown(node)} (${shown(opType)}): control flow cannot be imported`,
          'unroll it: export with the number of steps fixed',
        )
      case 21:
        reference = textOf(field)
        break
    }
  }
  if (reference !== '') return [name, reference]
  const kind = kinds.get(type)
  switch (kind) {
    case 'float':
      return [name, { kind, value: float }]
    case 'int':
      return [name, { kind, value: integer }]
    case 'string':
      return [name, { kind, value: text }]
    case 'floats':
      return [name, { kind, values: floats }]
    case 'ints':
      return [name, { kind, values: integers }]
    case 'strings':
      return [name, { kind, values: texts }]
    case 'tensor':
      if (tensor === undefined)
        throw malformedOnnx(`node ${shown(node)} has an empty attribute ${shown(name)}`)
      return [name, { kind, value: decodeTensor(tensor, decoding) }]
    case undefined:
      throw unsupportedOnnx(`node ${shown(node)}: attribute ${shown(name)} has the type ${type}`)
    default:
      return kind satisfies never
  }
}

/** Packed into one field, or one of them. */
function floatsOf(field: Parameters<typeof floatOf>[0]): readonly number[] {
  if (field.wire === 5) return [floatOf(field)]
  const bytes = messageOf(field)
  if (bytes.length % 4 !== 0 || bytes.length > 4 * maxListed)
    throw malformedOnnx('a list of floats is malformed')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true))
}
