import type { Graph } from '../graph.ts'
import { assertPositive, invalidModel } from '../invalid-model.ts'
import { crossEntropy } from '../losses.ts'
import { estimateMemory } from '../memory.ts'
import type { Model } from '../model.ts'
import { float, int, ints, type Value } from '../operators/operator.ts'
import { layOut, type Parameter, type ParameterTable } from '../parameter-table.ts'

/** Tokens are bytes. */
export const gptVocabulary = 256

export interface GptShape {
  readonly layers: number
  readonly width: number
  readonly heads: number
  /** Tokens a row. */
  readonly context: number
}

/**
 * A model of `batch` windows a step: after each token the next one.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function gpt(shape: GptShape, batch: number): Model {
  const { layers, width, heads, context } = shape
  assertPositive({ layers, width, heads, context, batch })
  if (width % heads !== 0) throw invalidModel(`width ${width} is not a multiple of heads ${heads}`)
  const tokens = { type: 'int64', shape: [batch, context] } as const
  return {
    task: 'language',
    inputs: tokens,
    targets: tokens,
    tokensPerStep: batch * context,
    memory: estimateMemory(shape, batch),
    get table() {
      return gptParameters(shape)
    },
    logits: (graph, inputs, parameter) => gptLogits(graph, shape, inputs, parameter),
    loss: crossEntropy,
  }
}

/**
 * Parameters of a pre-norm GPT (Radford et al. 2019). Matrices start at 1/√fan-in, those that write to the residual
 * stream smaller by √(2·layers), so that the stream's variance does not grow with depth.
 */
export function gptParameters({ layers, width, context }: GptShape): ParameterTable {
  const normal = (std: number) => ({ kind: 'normal', std }) as const
  const matrix = (name: string, rows: number, columns: number, std: number): Omit<Parameter, 'offset'> => ({
    name,
    shape: [rows, columns],
    init: normal(std),
    decay: true,
  })
  const vector = (name: string, size: number, kind: 'zeros' | 'ones'): Omit<Parameter, 'offset'> => ({
    name,
    shape: [size],
    init: { kind },
    decay: false,
  })
  const inner = width * 4
  const residual = Math.sqrt(2 * layers)
  const layer = (prefix: string) => [
    vector(`${prefix}.attention_norm.scale`, width, 'ones'),
    vector(`${prefix}.attention_norm.bias`, width, 'zeros'),
    matrix(`${prefix}.attention.qkv`, width, 3 * width, 1 / Math.sqrt(width)),
    matrix(`${prefix}.attention.out`, width, width, 1 / Math.sqrt(width) / residual),
    vector(`${prefix}.mlp_norm.scale`, width, 'ones'),
    vector(`${prefix}.mlp_norm.bias`, width, 'zeros'),
    matrix(`${prefix}.mlp.up`, width, inner, 1 / Math.sqrt(width)),
    vector(`${prefix}.mlp.up_bias`, inner, 'zeros'),
    matrix(`${prefix}.mlp.down`, inner, width, 1 / Math.sqrt(inner) / residual),
    vector(`${prefix}.mlp.down_bias`, width, 'zeros'),
  ]
  return layOut([
    matrix('token_embedding', gptVocabulary, width, 0.02),
    matrix('position_embedding', context, width, 0.02),
    ...Array.from({ length: layers }, (_, index) => layer(`layer${index}`)).flat(),
    vector('final_norm.scale', width, 'ones'),
    vector('final_norm.bias', width, 'zeros'),
    matrix('head', width, gptVocabulary, 1 / Math.sqrt(width)),
  ])
}

/**
 * Appends the forward pass. B rows, T tokens a row, C width, H heads, D = C/H, V vocabulary.
 * @param tokens int64 [B, T]
 * @returns logits [B·T, V]
 */
function gptLogits(graph: Graph, shape: GptShape, tokens: Value, parameter: (name: string) => Value): Value {
  const [B, T] = [tokens.shape[0]!, tokens.shape[1]!]
  const C = shape.width
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const reshape = (value: Value, to: readonly number[]) => op('Reshape', value, graph.ints(to))
  const norm = (x: Value, name: string) =>
    graph.nodes('LayerNormalization', [x, parameter(`${name}.scale`), parameter(`${name}.bias`)], 3, {
      axis: int(-1),
      epsilon: float(1e-5),
    })[0]!

  const embedded = op('Gather', parameter('token_embedding'), tokens)
  let x_RC = reshape(op('Add', embedded, parameter('position_embedding')), [B * T, C])
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `layer${layer}`
    const qkv = op('Gemm', norm(x_RC, `${prefix}.attention_norm`), parameter(`${prefix}.attention.qkv`))
    const mixed_RC = attention(graph, qkv, { B, T, H: shape.heads, D: C / shape.heads })
    // A Gemm's third input is added for free: here the residual stream, below a bias.
    x_RC = op('Gemm', mixed_RC, parameter(`${prefix}.attention.out`), x_RC)
    const up = op(
      'Gemm',
      norm(x_RC, `${prefix}.mlp_norm`),
      parameter(`${prefix}.mlp.up`),
      parameter(`${prefix}.mlp.up_bias`),
    )
    const down = op(
      'Gemm',
      squaredRelu(graph, up),
      parameter(`${prefix}.mlp.down`),
      parameter(`${prefix}.mlp.down_bias`),
    )
    x_RC = op('Add', x_RC, down)
  }
  return op('Gemm', norm(x_RC, 'final_norm'), parameter('head'))
}

/** Causal softmax attention of all heads at once. `qkv` is [B·T, 3C]; gives [B·T, C]. */
function attention(
  graph: Graph,
  qkv: Value,
  { B, T, H, D }: { readonly B: number; readonly T: number; readonly H: number; readonly D: number },
): Value {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const reshape = (value: Value, to: readonly number[]) => op('Reshape', value, graph.ints(to))
  const grouped_3BHTD = graph.node('Transpose', [reshape(qkv, [B, T, 3, H, D])], {
    perm: ints([2, 0, 3, 1, 4]),
  })
  const parts = graph.nodes('Split', [grouped_3BHTD, graph.ints([1, 1, 1])], 3, { axis: int(0) })
  const [q_BHTD, k_BHTD, v_BHTD] = parts.map((part) => reshape(part, [B, H, T, D]))
  const scaled = op('Mul', q_BHTD!, graph.scalar(1 / Math.sqrt(D)))
  const scores_BHTT = op('MatMul', scaled, graph.node('Transpose', [k_BHTD!], { perm: ints([0, 1, 3, 2]) }))
  const softmax_BHTT = graph.node('Softmax', [op('Add', scores_BHTT, causalMask(graph, T))], {
    axis: int(-1),
  })
  const weights_BHTT = op('Mul', softmax_BHTT, visibleMask(graph, T))
  const mixed_BTHD = graph.node('Transpose', [op('MatMul', weights_BHTT, v_BHTD!)], {
    perm: ints([0, 2, 1, 3]),
  })
  return reshape(mixed_BTHD, [B * T, H * D])
}

/** max(x, 0)² (So et al., "Primer", arXiv 2109.08668): as good as GELU, and a quarter of its passes over memory. */
function squaredRelu(graph: Graph, x: Value): Value {
  const positive = graph.node('Relu', [x])
  return graph.node('Mul', [positive, positive])
}

/**
 * Added to a score that must not be seen. e⁻⁶⁰ is nothing beside 1 in float32, yet a normal number: with −10⁹ the
 * softmax gives denormals, on which processors are many times slower. What is left is cut by the second mask.
 */
const hidden = -60

/** [T, T]: 0 where a token may look, `hidden` where it would see the future. */
function causalMask(graph: Graph, T: number): Value {
  const mask = new Float32Array(T * T)
  for (let row = 0; row < T; row++) mask.fill(hidden, row * T + row + 1, (row + 1) * T)
  return graph.floats(mask, [T, T])
}

/** [T, T]: 1 where a token may look, 0 where it would see the future. */
function visibleMask(graph: Graph, T: number): Value {
  const mask = new Float32Array(T * T)
  for (let row = 0; row < T; row++) mask.fill(1, row * T, row * T + row + 1)
  return graph.floats(mask, [T, T])
}
