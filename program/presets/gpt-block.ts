import type { Graph } from '../graph.ts'
import type { Value } from '../operators/operator.ts'
import { type Attention, attention } from './gpt-attention.ts'
import { gptNorm } from './gpt-norm.ts'
import type { GptDesign } from './gpt-shape.ts'

/**
 * One layer: attention, then the MLP, each of the normalized residual stream and added to it.
 * @param x_RC [B·T, C]
 * @param mix attention over the rows' own keys and values, or over kept ones
 */
export function gptBlock(
  graph: Graph,
  design: GptDesign,
  x_RC: Value,
  prefix: string,
  parameter: (name: string) => Value,
  mix: Attention = attention,
): Value {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const own = (name: string) => parameter(`${prefix}.${name}`)
  const bias = (of: 'attention' | 'mlp', name: string) =>
    design.biases === 'all' || design.biases === of ? [own(`${of}.${name}_bias`)] : []
  const normed = (x: Value, name: string) => gptNorm(graph, design, x, `${prefix}.${name}`, parameter)

  const qkv = op('Gemm', normed(x_RC, 'attention_norm'), own('attention.qkv'), ...bias('attention', 'qkv'))
  const mixed_RC = mix(graph, design, qkv, (name) => own(`attention.${name}`))
  // A Gemm's third input is added for free: here the residual stream, below a bias.
  const attended = op('Gemm', mixed_RC, own('attention.out'), x_RC)
  const biased = bias('attention', 'out').reduce((sum, vector) => op('Add', sum, vector), attended)

  const dense = (x: Value, name: string) => op('Gemm', x, own(`mlp.${name}`), ...bias('mlp', name))
  const y_RC = normed(biased, 'mlp_norm')
  const activated =
    design.activation === 'swiglu'
      ? op('Mul', op('Swish', dense(y_RC, 'gate')), dense(y_RC, 'up'))
      : activate(graph, design.activation, dense(y_RC, 'up'))
  return design.biases === 'none'
    ? op('Gemm', activated, own('mlp.down'), biased)
    : op('Add', biased, dense(activated, 'down'))
}

function activate(graph: Graph, activation: 'squared-relu' | 'gelu', x: Value): Value {
  return activation === 'gelu'
    ? graph.node('Gelu', [x], { approximate: { kind: 'string', value: 'tanh' } })
    : squaredRelu(graph, x)
}

/** max(x, 0)² (So et al., "Primer", arXiv 2109.08668): as good as GELU, and a quarter of its passes over memory. */
function squaredRelu(graph: Graph, x: Value): Value {
  const positive = graph.node('Relu', [x])
  return graph.node('Mul', [positive, positive])
}
