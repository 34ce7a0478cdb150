import type { Graph } from './graph.ts'
import { elements, type Value } from './operators/operator.ts'
import type { ParameterTable } from './parameter-table.ts'
import type { TensorSignature } from './program-info.ts'

/** The flat vector and its pieces, each sliced once. */
export function appendParameters(graph: Graph, table: ParameterTable) {
  const params = graph.input('params', 'float32', [table.count])
  const pieces = new Map<string, Value>()
  for (const { name, shape, offset } of table.parameters) {
    const piece = graph.node('Slice', [params, graph.ints([offset]), graph.ints([offset + elements(shape)])])
    pieces.set(name, graph.node('Reshape', [piece, graph.ints(shape)]))
  }
  return { params, parameter: (name: string) => pieces.get(name)! }
}

export const appendInput = (graph: Graph, name: string, { type, shape }: TensorSignature): Value =>
  graph.input(name, type, shape)
