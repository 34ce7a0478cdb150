import { rmsEpsilon } from '../../program/presets/gpt-norm.ts'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { rotaryBase } from '../../program/presets/rotary.ts'
import type { Layout, Place } from './layout.ts'

export const isLlama = (design: GptDesign): boolean =>
  design.norm === 'rms' &&
  design.positions === 'rotary' &&
  design.activation === 'swiglu' &&
  (!design.qkNorm || design.biases === 'none')

/** LlamaForCausalLM, or Qwen3ForCausalLM where queries and keys are normalized. */
export function llamaLayout(design: GptDesign): Layout {
  const { layers, width, vocabulary, tied } = design
  return {
    config: configOf(design),
    places: [
      matrix('model.embed_tokens', [vocabulary, width], 'token_embedding', false),
      ...Array.from({ length: layers }, (_, index) => layerPlaces(design, index)).flat(),
      vector('model.norm.weight', width, 'final_norm.scale'),
      ...(tied ? [] : [matrix('lm_head', [vocabulary, width], 'head', true)]),
    ],
  }
}

const vector = (name: string, size: number, parameter: string): Place => ({
  ...{ name, shape: [size], from: { parameter }, transposed: false },
})
const matrix = (
  name: string,
  shape: readonly [number, number],
  parameter: string,
  transposed: boolean,
): Place => ({ name: `${name}.weight`, shape, from: { parameter }, transposed })

function layerPlaces(design: GptDesign, index: number): readonly Place[] {
  const { width, heads, keyValueHeads, headWidth, mlpWidth, qkNorm, biases } = design
  const [theirs, ours] = [`model.layers.${index}`, `layer${index}`]
  const dense = (
    name: string,
    [outputs, inputs]: readonly [number, number],
    parameter: string,
    columns?: readonly [number, number],
  ): readonly Place[] => {
    const biased = biases === 'all' || (biases === 'mlp' && name.startsWith('mlp.'))
    const place = { name: `${theirs}.${name}.weight`, shape: [outputs, inputs], transposed: true }
    const weight: Place = { ...place, from: { parameter: `${ours}.${parameter}`, columns } }
    const from = { parameter: `${ours}.${parameter}_bias`, columns }
    const bias: Place = { name: `${theirs}.${name}.bias`, shape: [outputs], from, transposed: false }
    return biased ? [weight, bias] : [weight]
  }
  const [queries, keys] = [heads * headWidth, keyValueHeads * headWidth]
  return [
    vector(`${theirs}.input_layernorm.weight`, width, `${ours}.attention_norm.scale`),
    ...dense('self_attn.q_proj', [queries, width], 'attention.qkv', [0, queries]),
    ...dense('self_attn.k_proj', [keys, width], 'attention.qkv', [queries, queries + keys]),
    ...dense('self_attn.v_proj', [keys, width], 'attention.qkv', [queries + keys, queries + 2 * keys]),
    ...(qkNorm
      ? [vector(`${theirs}.self_attn.q_norm.weight`, headWidth, `${ours}.attention.query_norm`)]
      : []),
    ...(qkNorm ? [vector(`${theirs}.self_attn.k_norm.weight`, headWidth, `${ours}.attention.key_norm`)] : []),
    ...dense('self_attn.o_proj', [width, queries], 'attention.out'),
    vector(`${theirs}.post_attention_layernorm.weight`, width, `${ours}.mlp_norm.scale`),
    ...dense('mlp.gate_proj', [mlpWidth, width], 'mlp.gate'),
    ...dense('mlp.up_proj', [mlpWidth, width], 'mlp.up'),
    ...dense('mlp.down_proj', [width, mlpWidth], 'mlp.down'),
  ]
}

function configOf(design: GptDesign): Layout['config'] {
  return {
    architectures: [design.qkNorm ? 'Qwen3ForCausalLM' : 'LlamaForCausalLM'],
    model_type: design.qkNorm ? 'qwen3' : 'llama',
    vocab_size: design.vocabulary,
    max_position_embeddings: design.context,
    hidden_size: design.width,
    intermediate_size: design.mlpWidth,
    num_hidden_layers: design.layers,
    num_attention_heads: design.heads,
    num_key_value_heads: design.keyValueHeads,
    head_dim: design.headWidth,
    hidden_act: 'silu',
    rms_norm_eps: rmsEpsilon,
    // Version 4 of transformers reads the first, version 5 the second.
    rope_theta: rotaryBase,
    rope_parameters: { rope_type: 'default', rope_theta: rotaryBase },
    attention_bias: design.biases === 'all',
    ...(design.qkNorm ? { use_sliding_window: false } : { mlp_bias: design.biases !== 'none' }),
    attention_dropout: 0,
    ...{ bos_token_id: null, eos_token_id: null, pad_token_id: null },
    tie_word_embeddings: design.tied,
    dtype: 'float32',
  }
}
