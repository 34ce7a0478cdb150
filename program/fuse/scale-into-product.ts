import type { Attribute, OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import { useCounts } from './use-counts.ts'

/**
 * c · (A·B) of a Gemm becomes its α: a pass over memory less. Bit for bit the same where c is a power of two; otherwise
 * one rounding moves. Only where nothing else reads the unscaled product and nothing is added to it.
 */
export function scaleIntoProduct(model: OnnxModel): OnnxModel {
  const scalars = floatScalars(model)
  const uses = useCounts(model)
  const makers = new Map(model.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  /** Name of an unscaled product → what takes its place. */
  const scaled = new Map<string, OnnxNode>()
  const dropped = new Set<OnnxNode>()
  for (const node of model.nodes) {
    const found = scaling(node, scalars)
    if (found === undefined) continue
    const product = makers.get(found.value)
    if (product?.opType !== 'Gemm' || product.inputs.length !== 2 || uses.get(found.value) !== 1) continue
    const alpha = alphaOf(product) * found.factor
    const attributes = new Map(product.attributes).set('alpha', { kind: 'float', value: Math.fround(alpha) })
    scaled.set(found.value, { ...product, outputs: node.outputs, attributes: sorted(attributes) })
    dropped.add(node)
  }
  const nodes = model.nodes
    .filter((node) => !dropped.has(node))
    .map((node) => scaled.get(node.outputs[0]!) ?? node)
  return { ...model, nodes }
}

/** A product of a value and a constant scalar. */
function scaling(
  { opType, inputs }: OnnxNode,
  scalars: ReadonlyMap<string, number>,
): { readonly value: string; readonly factor: number } | undefined {
  if (opType !== 'Mul') return undefined
  const [a, b] = [inputs[0]!, inputs[1]!]
  const [left, right] = [scalars.get(a), scalars.get(b)]
  if (right !== undefined && left === undefined) return { value: a, factor: right }
  if (left !== undefined && right === undefined) return { value: b, factor: left }
  return undefined
}

const alphaOf = ({ attributes }: OnnxNode): number => {
  const alpha = attributes.get('alpha')
  return alpha?.kind === 'float' ? alpha.value : 1
}

/** Attributes are written in the order of their names. */
const sorted = (attributes: ReadonlyMap<string, Attribute>): ReadonlyMap<string, Attribute> =>
  new Map([...attributes].sort(([a], [b]) => (a < b ? -1 : 1)))

function floatScalars({ initializers }: OnnxModel): ReadonlyMap<string, number> {
  const plain = initializers.filter(({ type, shape }) => type === 'float32' && shape.length === 0)
  return new Map(
    plain.map(({ name, bytes }) => [
      name,
      new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true),
    ]),
  )
}
