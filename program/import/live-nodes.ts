import type { ForeignModel, ForeignNode } from './foreign-model.ts'
import { malformedOnnx, shown, unsupportedOnnx } from './refusal.ts'
import { translationOf } from './translations.ts'

/**
 * The nodes that some of the outputs depend on, in order.
 * @throws MurmurError ONNX_MALFORMED for a name that is defined twice, not at all or only later (a cycle);
 * ONNX_UNSUPPORTED for an operator that is not on the allow-list.
 */
export function liveNodes(model: ForeignModel, outputs: readonly string[]): readonly ForeignNode[] {
  const { nodes, initializers, inputs } = model
  const defined = new Set(['', ...initializers.keys(), ...inputs.map(({ name }) => name)])
  const made = new Map<string, number>()
  nodes.forEach((node, index) => {
    for (const name of node.outputs) {
      if (name === '') continue
      if (defined.has(name) || made.has(name)) throw malformedOnnx(`${shown(name)} is defined twice`)
      made.set(name, index)
    }
  })
  nodes.forEach((node, index) => {
    for (const name of node.inputs) {
      if (defined.has(name)) continue
      const maker = made.get(name)
      if (maker === undefined)
        throw malformedOnnx(`node ${shown(node.name)} reads ${shown(name)}, which nothing defines`)
      if (maker >= index)
        throw malformedOnnx(
          `node ${shown(node.name)} reads ${shown(name)} before it is made: the graph has a cycle`,
        )
    }
  })
  const live = new Set<number>()
  const wanted = [...outputs]
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    const maker = made.get(name)
    if (maker === undefined && !defined.has(name))
      throw malformedOnnx(`the output ${shown(name)} is not computed`)
    if (maker === undefined || live.has(maker)) continue
    live.add(maker)
    for (const input of nodes[maker]!.inputs) wanted.push(input)
  }
  const kept = nodes.filter((_, index) => live.has(index))
  for (const { name, opType } of kept) {
    if (translationOf(opType) === undefined)
      throw unsupportedOnnx(`node ${shown(name)}: operator ${shown(opType)} is not on the allow-list`)
  }
  return kept
}
