import { decodeAttribute, decodeNode, domainOf } from './decode-node.ts'
import { checkOpset, decodeOpset } from './decode-opset.ts'
import type { TensorDecoding } from './decode-tensor.ts'
import type { ForeignAttribute, ForeignFunction, WrittenNode } from './foreign-model.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'
import { messageOf, textOf, wireFields } from './wire-reader.ts'

/** Names of one function's inputs, or outputs. */
const maxNames = 4096

/** What a call must name to mean a function. */
export const functionKey = (domain: string, name: string, overload: string): string =>
  JSON.stringify([domain, name, overload])

/**
 * The FunctionProtos of a file, of at most `maxNodes` nodes together.
 * @throws MurmurError ONNX_MALFORMED, ONNX_UNSUPPORTED
 */
export function decodeFunctions(
  messages: readonly Uint8Array[],
  decoding: TensorDecoding,
  maxNodes: number,
): ReadonlyMap<string, ForeignFunction> {
  const functions = new Map<string, ForeignFunction>()
  let nodes = 0
  for (const message of messages) {
    const made = decodeFunction(message, decoding)
    const key = functionKey(made.domain, made.name, made.overload)
    if (functions.has(key)) throw malformedOnnx(`two functions are called ${shown(made.name)}`)
    nodes += made.nodes.length
    if (nodes > maxNodes) throw unsupportedOnnx(`its functions have more than ${maxNodes} nodes`)
    functions.set(key, made)
  }
  return functions
}

function decodeFunction(message: Uint8Array, decoding: TensorDecoding): ForeignFunction {
  const inputs: string[] = []
  const outputs: string[] = []
  const nodes: WrittenNode[] = []
  const optional: Uint8Array[] = []
  let [domain, name, overload] = ['', '', '']
  for (const field of wireFields(message, decoding.budget)) {
    if (field.number === 1) name = textOf(field)
    else if (field.number === 4) inputs.push(textOf(field))
    else if (field.number === 5) outputs.push(textOf(field))
    else if (field.number === 7) nodes.push(decodeNode(messageOf(field), decoding))
    else if (field.number === 9) {
      const opset = decodeOpset(messageOf(field), decoding.budget)
      if (opset.domain === '') checkOpset(opset.version, `function ${shown(name)}`)
    } else if (field.number === 10) domain = domainOf(textOf(field))
    else if (field.number === 11) optional.push(messageOf(field))
    else if (field.number === 13) overload = textOf(field)
  }
  if (inputs.length > maxNames || outputs.length > maxNames || new Set(inputs).size !== inputs.length)
    throw malformedOnnx(`function ${shown(name)} has two inputs of one name, or more than ${maxNames}`)
  const defaults = new Map<string, ForeignAttribute>()
  for (const bytes of optional) {
    const [attribute, value] = decodeAttribute(bytes, { name, opType: name }, decoding)
    if (typeof value === 'string')
      throw malformedOnnx(`function ${shown(name)} gives ${shown(attribute)} no value`)
    defaults.set(attribute, value)
  }
  return { domain, name, overload, inputs, outputs, nodes, defaults }
}
