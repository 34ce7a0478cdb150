import type { OnnxModel } from '../onnx/model-proto.ts'

/** How often each value is read; an output of the graph is read once more. */
export function useCounts({ nodes, outputs }: OnnxModel): ReadonlyMap<string, number> {
  const uses = new Map<string, number>()
  const read = [...nodes.flatMap(({ inputs }) => inputs), ...outputs.map(({ name }) => name)]
  for (const name of read) uses.set(name, (uses.get(name) ?? 0) + 1)
  return uses
}
