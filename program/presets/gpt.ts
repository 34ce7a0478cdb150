import type { Graph } from '../graph.ts'
import { assertPositive } from '../invalid-model.ts'
import { crossEntropy } from '../losses.ts'
import { estimateMemory } from '../memory.ts'
import type { Model } from '../model.ts'
import { int, reshape, type Value } from '../operators/operator.ts'
import { gptBlock } from './gpt-block.ts'
import { gptNorm } from './gpt-norm.ts'
import { gptParameters } from './gpt-parameters.ts'
import { designOf, type GptDesign, type GptShape } from './gpt-shape.ts'

/**
 * A model of `batch` windows a step: after each token the next one.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function gpt(shape: GptShape, batch: number): Model {
  const design = designOf(shape)
  assertPositive({ batch })
  const tokens = { type: 'int64', shape: [batch, design.context] } as const
  return {
    task: 'language',
    inputs: tokens,
    targets: tokens,
    tokensPerStep: batch * design.context,
    memory: estimateMemory(shape, batch),
    recomputingMemory: estimateMemory(shape, batch, true),
    loraTargets: ['*.attention.qkv', '*.attention.out', '*.mlp.*'],
    get table() {
      return gptParameters(design)
    },
    logits: (graph, inputs, parameter) => gptLogits(graph, design, inputs, parameter),
    loss: crossEntropy,
  }
}

/**
 * Appends the forward pass. B rows, T tokens a row, C width, V vocabulary.
 * @param tokens int64 [B, T]
 * @returns logits [B·T, V]
 */
function gptLogits(
  graph: Graph,
  design: GptDesign,
  tokens: Value,
  parameter: (name: string) => Value,
): Value {
  const places = design.positions === 'learned' ? parameter('position_embedding') : null
  let x_RC = gptEmbedding(graph, design, tokens, parameter, places)
  graph.boundary(x_RC)
  for (let layer = 0; layer < design.layers; layer++) {
    x_RC = gptBlock(graph, design, x_RC, `layer${layer}`, parameter)
    graph.boundary(x_RC)
  }
  return gptHead(graph, design, x_RC, parameter)
}

/**
 * @param places the vectors [T, C] of these tokens' places, null where they are not learned
 * @returns [B·T, C]
 */
export function gptEmbedding(
  graph: Graph,
  design: GptDesign,
  tokens: Value,
  parameter: (name: string) => Value,
  places: Value | null,
): Value {
  const embedded = graph.node('Gather', [parameter('token_embedding'), tokens])
  const placed = places === null ? embedded : graph.node('Add', [embedded, places])
  return reshape(graph, placed, [tokens.shape[0]! * tokens.shape[1]!, design.width])
}

/**
 * @param x_RC rows of the last block
 * @returns logits [R, V]
 */
export function gptHead(
  graph: Graph,
  design: GptDesign,
  x_RC: Value,
  parameter: (name: string) => Value,
): Value {
  const normed = gptNorm(graph, design, x_RC, 'final_norm', parameter)
  return design.tied
    ? graph.node('Gemm', [normed, parameter('token_embedding')], { transB: int(1) })
    : graph.node('Gemm', [normed, parameter('head')])
}
