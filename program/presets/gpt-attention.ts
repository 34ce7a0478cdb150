import type { Graph } from '../graph.ts'
import { float, int, ints, reshape, type Value } from '../operators/operator.ts'
import { rmsEpsilon } from './gpt-norm.ts'
import type { GptDesign } from './gpt-shape.ts'
import { type RotaryPlaces, rotated } from './rotary.ts'

/** Of a window: queries [B, H, T, D], keys and values [B, K, T, D]. */
export interface AttentionHeads {
  readonly queries: Value
  readonly keys: Value
  readonly values: Value
}

/** What a block mixes its tokens with. @returns [B·T, H·D] */
export type Attention = (
  graph: Graph,
  design: GptDesign,
  qkv: Value,
  parameter: (name: string) => Value,
) => Value

/**
 * Causal softmax attention of all heads at once. B rows, T tokens a row, H heads, K heads of keys and values, G = H/K
 * queries to each of them, D values a head.
 * @param qkv [B·T, (H+2K)·D]: queries, keys, values
 * @param parameter of this layer's attention, by its name within it
 */
export const attention: Attention = (graph, design, qkv, parameter) =>
  attended(graph, design, attentionHeads(graph, design, qkv, parameter))

/** Of a window from its beginning. */
export function attentionHeads(
  graph: Graph,
  design: GptDesign,
  qkv: Value,
  parameter: (name: string) => Value,
): AttentionHeads {
  const { context: T, heads: H, keyValueHeads: K, headWidth: D } = design
  const B = qkv.shape[0]! / T
  const heads = K === H ? evenHeads(graph, qkv, [B, T, H, D]) : groupedHeads(graph, qkv, [B, T, H, K, D])
  return placedHeads(graph, design, heads, parameter)
}

/**
 * Queries and keys normalized and turned by their place, as the design says.
 * @param heads queries, keys and values, [.., D] each
 * @param places sines and cosines of these tokens; null where they are a window from its beginning
 */
export function placedHeads(
  graph: Graph,
  design: GptDesign,
  heads: readonly Value[],
  parameter: (name: string) => Value,
  places: RotaryPlaces | null = null,
): AttentionHeads {
  const [queries, keys] = (['query', 'key'] as const).map((name, index) => {
    const head = heads[index]!
    const normed = design.qkNorm ? headNorm(graph, head, parameter(`${name}_norm`)) : head
    return design.positions === 'rotary' ? rotated(graph, normed, places) : normed
  }) as [Value, Value]
  return { queries, keys, values: heads[2]! }
}

/**
 * Queries are taken in blocks, each with the keys up to its end: scores beyond are neither computed nor kept. With smaller
 * blocks, or more of them, slices and joins cost more than the products save.
 */
const [leastBlock, mostBlocks] = [64, 4]

/** @returns [B·T, H·D] */
export function attended(graph: Graph, design: GptDesign, { queries, keys, values }: AttentionHeads): Value {
  const { context: T, heads: H, headWidth: D } = design
  const B = queries.shape[0]!
  const ends = blockEnds(T)
  const mixed: Value[] = []
  let seen = { keys, values }
  for (const [index, block] of [...splitTokens(graph, queries, ends).entries()].reverse()) {
    const first = (value: Value) => firstTokens(graph, value, ends[index]!)
    seen = { keys: first(seen.keys), values: first(seen.values) }
    mixed.unshift(attendedBlock(graph, design, { queries: block, ...seen }))
  }
  const mixed_BHTD = mixed.length === 1 ? mixed[0]! : graph.node('Concat', mixed, { axis: int(2) })
  const mixed_BTHD = graph.node('Transpose', [mixed_BHTD], { perm: ints([0, 2, 1, 3]) })
  return reshape(graph, mixed_BTHD, [B * T, H * D])
}

/** Where each block of T queries ends. */
function blockEnds(T: number): readonly number[] {
  const count = Math.max(1, Math.min(mostBlocks, Math.floor(T / leastBlock)))
  return Array.from({ length: count }, (_, block) => Math.floor((T * (block + 1)) / count))
}

/** Scores of one head over a window of T tokens: of all blocks, and of the largest one, the last. */
export function attentionScores(T: number): { readonly all: number; readonly largest: number } {
  const ends = blockEnds(T)
  const counts = ends.map((end, block) => (end - (ends[block - 1] ?? 0)) * end)
  return { all: counts.reduce((sum, count) => sum + count, 0), largest: Math.max(...counts) }
}

function splitTokens(graph: Graph, value: Value, ends: readonly number[]): readonly Value[] {
  if (ends.length === 1) return [value]
  const sizes = graph.ints(ends.map((end, block) => end - (ends[block - 1] ?? 0)))
  return graph.nodes('Split', [value, sizes], ends.length, { axis: int(2) })
}

function firstTokens(graph: Graph, value: Value, count: number): Value {
  if (value.shape[2] === count) return value
  return graph.node('Slice', [value, graph.ints([0]), graph.ints([count]), graph.ints([2])])
}

/**
 * The last t of S tokens attend to all S, each to those up to itself.
 * @param heads queries [B, H, t, D], keys and values [B, K, S, D]
 * @returns [B, H, t, D]
 */
function attendedBlock(
  graph: Graph,
  { heads: H, keyValueHeads: K, headWidth: D }: GptDesign,
  { queries: q_BHtD, keys: k_BKSD, values: v_BKSD }: AttentionHeads,
): Value {
  const [B, t, S] = [q_BHtD.shape[0]!, q_BHtD.shape[2]!, k_BKSD.shape[2]!]
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  // The queries of one group lie one behind the other, so that each key is multiplied with all of them at once.
  const stacked = (value: Value, last: number) => reshape(graph, value, [B, K, (H / K) * t, last])
  const scaled = stacked(op('Mul', q_BHtD, graph.scalar(1 / Math.sqrt(D))), D)
  const products = op('MatMul', scaled, graph.node('Transpose', [k_BKSD], { perm: ints([0, 1, 3, 2]) }))
  const scores_BHtS = reshape(graph, products, [B, H, t, S])
  const masked_BHtS = op('Add', scores_BHtS, causalMask(graph, t, S, 0, hidden))
  const softmax_BHtS = graph.node('Softmax', [masked_BHtS], { axis: int(-1) })
  const weights = stacked(op('Mul', softmax_BHtS, causalMask(graph, t, S, 1, 0)), S)
  return reshape(graph, op('MatMul', weights, v_BKSD), [B, H, t, D])
}

type Heads = readonly [B: number, T: number, H: number, D: number]
type GroupedHeads = readonly [B: number, T: number, H: number, K: number, D: number]

/** As many keys and values as queries: one transpose makes room for all three. */
function evenHeads(graph: Graph, qkv: Value, [B, T, H, D]: Heads): readonly Value[] {
  const to = (value: Value, shape: readonly number[]) => graph.node('Reshape', [value, graph.ints(shape)])
  const grouped_3BHTD = graph.node('Transpose', [to(qkv, [B, T, 3, H, D])], { perm: ints([2, 0, 3, 1, 4]) })
  const parts = graph.nodes('Split', [grouped_3BHTD, graph.ints([1, 1, 1])], 3, { axis: int(0) })
  return parts.map((part) => to(part, [B, H, T, D]))
}

function groupedHeads(graph: Graph, qkv: Value, [B, T, H, K, D]: GroupedHeads): readonly Value[] {
  const counts = [H, K, K]
  const sizes = graph.ints(counts.map((count) => count * D))
  return graph.nodes('Split', [qkv, sizes], 3, { axis: int(1) }).map((part, index) => {
    const apart = reshape(graph, part, [B, T, counts[index]!, D])
    return graph.node('Transpose', [apart], { perm: ints([0, 2, 1, 3]) })
  })
}

const headNorm = (graph: Graph, head: Value, scale: Value): Value =>
  graph.node('RMSNormalization', [head, scale], { axis: int(-1), epsilon: float(rmsEpsilon) })

/**
 * Added to a score that must not be seen. e⁻⁶⁰ is nothing beside 1 in float32, yet a normal number: with −10⁹ the
 * softmax gives denormals, on which processors are many times slower. What is left is cut by the second mask.
 */
export const hidden = -60

/** [t, S] for the last t of S tokens: one number where a token may look, another where it would see the future. */
function causalMask(graph: Graph, t: number, S: number, seen: number, unseen: number): Value {
  const mask = new Float32Array(t * S).fill(unseen)
  for (let row = 0; row < t; row++) mask.fill(seen, row * S, row * S + S - t + row + 1)
  return graph.floats(mask, [t, S])
}
