import type { Graph } from '../graph.ts'
import { elements, type Value } from '../operators/operator.ts'
import type { Activations, Segment } from './segments.ts'

/**
 * Writes a segment's nodes once more, for the backward pass to read.
 *
 * What goes into the copy has −0 added that is made of the gradient which the segment waits for: x + −0 is x to the bit,
 * −0 itself included. No engine can know that, so that none takes copy and original for one (common subexpressions) or
 * runs the copy before the gradient is there.
 * @param incoming the gradient of what the segment gives on
 * @returns name in the forward pass → what the backward pass reads in its place
 */
export function recomputed(
  graph: Graph,
  { first, last }: Segment,
  { names, live }: Activations,
  incoming: Value,
): ReadonlyMap<string, Value> {
  const copies = new Map<string, Value>()
  const nodes = graph.nodesSoFar.slice(first, last + 1)
  const own = new Set(nodes.flatMap(({ outputs }) => outputs))
  let zero: Value | undefined
  const copyOf = (name: string): Value => {
    const known = copies.get(name)
    if (known !== undefined) return known
    const value = graph.value(name)
    if (own.has(name) || !names.has(name) || value.type !== 'float32') return value
    zero ??= negativeZero(graph, incoming)
    const gated = graph.node('Add', [value, zero])
    copies.set(name, gated)
    return gated
  }
  for (const { opType, inputs, outputs, attributes } of nodes) {
    if (!outputs.some((name) => names.has(name) && live.has(name))) continue
    const made = graph.nodes(opType, inputs.map(copyOf), outputs.length, Object.fromEntries(attributes))
    outputs.forEach((name, index) => {
      copies.set(name, made[index]!)
    })
  }
  return copies
}

/** −0 in one element, where the gradient is a number; where it is none the step has diverged and is not taken. */
function negativeZero(graph: Graph, gradient: Value): Value {
  const flat = graph.node('Reshape', [gradient, graph.ints([elements(gradient.shape)])])
  const one = graph.node('Slice', [flat, graph.ints([0]), graph.ints([1])])
  return graph.node('Mul', [graph.node('Abs', [one]), graph.scalar(-0)])
}
