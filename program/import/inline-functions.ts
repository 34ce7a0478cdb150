import { functionKey } from './decode-function.ts'
import type { ForeignAttribute, ForeignFunction, ForeignNode, WrittenNode } from './foreign-model.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'

/** Calls within calls. Exporters that write a function a module nest as deep as modules do. */
const maxDepth = 32
/** Of a name that is told in a message. */
const maxNameLength = 80

type Names = (name: string) => string
type Given = ReadonlyMap<string, ForeignAttribute>

/**
 * A graph without calls: each is replaced by the body of its function (onnx/onnx.proto, FunctionProto), whose values get
 * names of their own. A function goes before an operator of its name.
 * @param maxNodes of the result; calls count too, each with its operands and the defaults of its function, so that what is copied
 * stays within bounds
 * @throws MurmurError ONNX_UNSUPPORTED for operators of other domains that no function explains, and too many nodes or
 * levels; ONNX_MALFORMED for a function that calls itself, a call with too many operands, and a reference to an attribute
 * outside of any function.
 */
export function inlineFunctions(
  nodes: readonly WrittenNode[],
  functions: ReadonlyMap<string, ForeignFunction>,
  maxNodes: number,
): readonly ForeignNode[] {
  const inlined: ForeignNode[] = []
  let [calls, left] = [0, maxNodes]

  const place = (
    body: readonly WrittenNode[],
    renamed: Names,
    given: Given | null,
    callers: readonly ForeignFunction[],
    prefix: string,
  ): void => {
    for (const node of body) {
      if (--left < 0) throw unsupportedOnnx(`it has more than ${maxNodes} nodes`)
      const made = {
        name: prefix + node.name.slice(0, maxNameLength),
        opType: node.opType,
        inputs: node.inputs.map(renamed),
        outputs: node.outputs.map(renamed),
        attributes: resolved(node, given),
      }
      const called = functions.get(functionKey(node.domain, node.opType, node.overload))
      if (called !== undefined) call(made, called, callers)
      else if (node.domain === '') inlined.push(given === null ? { ...made, name: node.name } : made)
      else throw foreign(node)
    }
  }

  const call = (node: ForeignNode, called: ForeignFunction, callers: readonly ForeignFunction[]): void => {
    if (callers.includes(called)) throw malformedOnnx(`function ${shown(called.name)} calls itself`)
    if (callers.length >= maxDepth)
      throw unsupportedOnnx(`its functions are nested more than ${maxDepth} levels deep`)
    if (node.inputs.length > called.inputs.length || node.outputs.length > called.outputs.length)
      throw malformedOnnx(`node ${shown(node.name)} gives ${shown(called.name)} too many operands`)
    const own = ++calls
    left -= called.inputs.length + called.outputs.length + called.defaults.size
    if (left < 0) throw unsupportedOnnx(`it has more than ${maxNodes} nodes and operands of calls`)
    const names = new Map([['', '']])
    called.inputs.forEach((name, index) => {
      names.set(name, node.inputs[index] ?? '')
    })
    const forwarded = called.outputs.flatMap((name, index) => {
      const outer = node.outputs[index] ?? ''
      if (names.has(name)) return outer === '' ? [] : [[names.get(name)!, outer] as const]
      if (outer !== '') names.set(name, outer)
      return []
    })
    const renamed = (name: string) => {
      const known = names.get(name)
      if (known !== undefined) return known
      const made = `call ${own}: ${names.size}`
      names.set(name, made)
      return made
    }
    const given = new Map([...called.defaults, ...node.attributes])
    const prefix = `${node.name.slice(0, maxNameLength)}/`
    place(called.nodes, renamed, given, [...callers, called], prefix)
    for (const [from, to] of forwarded)
      inlined.push({ name: to, opType: 'Identity', inputs: [from], outputs: [to], attributes: new Map() })
  }

  place(nodes, (name) => name, null, [], '')
  return inlined
}

/** What the call leaves out, and has no default, is left out here too. */
function resolved({ name, attributes, references }: WrittenNode, given: Given | null): Given {
  if (references.size === 0) return attributes
  if (given === null)
    throw malformedOnnx(`node ${shown(name)} refers to an attribute of a function, and is in none`)
  const referred = [...references].flatMap(([own, of]) => {
    const value = given.get(of)
    return value === undefined ? [] : [[own, value] as const]
  })
  return new Map([...attributes, ...referred])
}

function foreign({ name, domain, opType }: WrittenNode) {
  return unsupportedOnnx(
    `node ${shown(name)}: operator ${shown(`${domain}::${opType}`)} is not one of ONNX's own`,
    'export without custom operators; a function of this name in the file would be taken for it',
  )
}
