import type { Graph } from '../graph.ts'
import { asFloat } from '../operators/logic.ts'
import { int, ints, reshape, type Value } from '../operators/operator.ts'
import { gptEmbedding, gptHead } from './gpt.ts'
import { type Attention, attended, attentionHeads, hidden, placedHeads } from './gpt-attention.ts'
import { gptBlock } from './gpt-block.ts'
import type { GptDesign } from './gpt-shape.ts'
import { firstPlaces, type RotaryPlaces } from './rotary.ts'

/*
 * Text is made with the keys and values of earlier tokens kept (Pope et al., arXiv 2211.05102, §2.1): one pass over the
 * window that there is, then one token a step. T tokens of context, K heads of keys and values, G = H/K queries to each,
 * D values a head, V vocabulary.
 */

/** What one layer keeps. Keys lie so that a query's products with all of them need no transpose. */
export interface LayerCache {
  /** [K, D, T]; of one token [K, D, 1] */
  readonly keys: Value
  /** [K, T, D]; of one token [K, 1, D] */
  readonly values: Value
}

/** What a pass makes of its last token, and what of its tokens is kept, layer by layer. */
export interface DecodingPass {
  /** [1, V] */
  readonly logits: Value
  readonly kept: readonly LayerCache[]
}

/**
 * Appends the pass over a whole window, of which only one token is asked what follows it.
 * @param tokens int64 [1, T]: the window from its beginning; those after `last` are whatever they are
 * @param last int64 [1]: index of its last token
 */
export function gptPrefill(
  graph: Graph,
  design: GptDesign,
  { tokens, last }: { readonly tokens: Value; readonly last: Value },
  parameter: (name: string) => Value,
): DecodingPass {
  const { layers, context: T, keyValueHeads: K, headWidth: D } = design
  const kept: LayerCache[] = []
  const mix: Attention = (_, __, qkv, own) => {
    const heads = attentionHeads(graph, design, qkv, own)
    const turned = graph.node('Transpose', [heads.keys], { perm: ints([0, 1, 3, 2]) })
    kept.push({
      keys: reshape(graph, turned, [K, D, T]),
      values: reshape(graph, heads.values, [K, T, D]),
    })
    return attended(graph, design, heads)
  }
  const places = design.positions === 'learned' ? parameter('position_embedding') : null
  let x_TC = gptEmbedding(graph, design, tokens, parameter, places)
  for (let layer = 0; layer < layers; layer++)
    x_TC = gptBlock(graph, design, x_TC, `layer${layer}`, parameter, mix)
  return { logits: gptHead(graph, design, graph.node('Gather', [x_TC, last]), parameter), kept }
}

/**
 * Appends the pass of one token over what is kept of those before it.
 * @param token int64 [1, 1]
 * @param position int64 [1]: its index in the window
 * @param caches zeros from `position` on
 */
export function gptDecodingStep(
  graph: Graph,
  design: GptDesign,
  { token, position }: { readonly token: Value; readonly position: Value },
  caches: readonly LayerCache[],
  parameter: (name: string) => Value,
): DecodingPass {
  const one = { ...design, context: 1 }
  const learned = design.positions === 'learned'
  const places = learned ? null : placeOf(graph, design, position)
  const place = learned ? graph.node('Gather', [parameter('position_embedding'), position]) : null
  const mask_T = maskFrom(graph, design.context, position)
  const kept: LayerCache[] = []
  let x_1C = gptEmbedding(graph, one, token, parameter, place)
  for (const [layer, cache] of caches.entries()) {
    const mix: Attention = (_, __, qkv, own) => {
      const { keyValueHeads: K, headWidth: D } = design
      const { queries, keys, values } = placedHeads(graph, one, tokenHeads(graph, design, qkv), own, places)
      const latest = { keys: reshape(graph, keys, [K, D, 1]), values }
      kept.push(latest)
      return attendedOne(graph, design, queries, cache, latest, mask_T)
    }
    x_1C = gptBlock(graph, one, x_1C, `layer${layer}`, parameter, mix)
  }
  return { logits: gptHead(graph, one, x_1C, parameter), kept }
}

function placeOf(graph: Graph, { context, headWidth }: GptDesign, position: Value): RotaryPlaces {
  const { cosine, sine } = firstPlaces(graph, context, headWidth)
  return { cosine: graph.node('Gather', [cosine, position]), sine: graph.node('Gather', [sine, position]) }
}

/** [T]: 0 for the tokens before a position, `hidden` from there on. */
function maskFrom(graph: Graph, T: number, position: Value): Value {
  const places = graph.ints(Array.from({ length: T }, (_, place) => place))
  const later = asFloat(graph, graph.node('GreaterOrEqual', [places, position]))
  return graph.node('Mul', [later, graph.scalar(hidden)])
}

/** Queries [K, G, D], keys and values [K, 1, D] of one token's [1, (H+2K)·D]. */
function tokenHeads(
  graph: Graph,
  { heads: H, keyValueHeads: K, headWidth: D }: GptDesign,
  qkv: Value,
): readonly Value[] {
  const counts = [H, K, K]
  const sizes = graph.ints(counts.map((count) => count * D))
  return graph
    .nodes('Split', [qkv, sizes], 3, { axis: int(1) })
    .map((part, index) => reshape(graph, part, [K, counts[index]! / K, D]))
}

/**
 * Softmax attention of one token over the kept ones and itself.
 * @param queries [K, G, D]
 * @returns [1, H·D]
 */
function attendedOne(
  graph: Graph,
  { context: T, heads: H, headWidth: D }: GptDesign,
  queries: Value,
  cache: LayerCache,
  latest: LayerCache,
  mask_T: Value,
): Value {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const q_KGD = op('Mul', queries, graph.scalar(1 / Math.sqrt(D)))
  const before_KGT = op('Add', op('MatMul', q_KGD, cache.keys), mask_T)
  const scores = graph.node('Concat', [before_KGT, op('MatMul', q_KGD, latest.keys)], { axis: int(-1) })
  const softmax = graph.node('Softmax', [scores], { axis: int(-1) })
  const [before, own] = graph.nodes('Split', [softmax, graph.ints([T, 1])], 2, { axis: int(-1) }) as [
    Value,
    Value,
  ]
  const mixed = op('Add', op('MatMul', before, cache.values), op('MatMul', own, latest.values))
  return reshape(graph, mixed, [1, H * D])
}
