import { layerEpsilon } from '../../program/presets/gpt-norm.ts'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import type { Layout, Place } from './layout.ts'

/** Our activations by the names that GPT2Config has for them. */
const activations: Readonly<Record<string, string>> = { gelu: 'gelu_new', 'squared-relu': 'relu2' }

export const isGpt2 = (design: GptDesign): boolean =>
  design.norm === 'layer' &&
  design.positions === 'learned' &&
  design.activation !== 'swiglu' &&
  design.keyValueHeads === design.heads &&
  !design.qkNorm

/** GPT2LMHeadModel: its `Conv1D` matrices are [inputs, outputs], as ours are. Biases that ours lacks are zeros there. */
export function gpt2Layout(design: GptDesign): Layout {
  const { layers, width, heads, context, vocabulary, mlpWidth, tied, activation, biases } = design
  const whole = (name: string, shape: readonly number[], parameter: string): Place => ({
    ...{ name: `transformer.${name}`, shape, from: { parameter }, transposed: false },
  })
  const bias = (name: string, size: number, parameter: string, ours: boolean): Place => ({
    ...{ name: `transformer.${name}`, shape: [size], from: ours ? { parameter } : null, transposed: false },
  })
  const norm = (name: string, parameter: string) => [
    whole(`${name}.weight`, [width], `${parameter}.scale`),
    whole(`${name}.bias`, [width], `${parameter}.bias`),
  ]
  const dense = (name: string, parameter: string, [inputs, outputs]: readonly [number, number]) => [
    whole(`${name}.weight`, [inputs, outputs], parameter),
    bias(
      `${name}.bias`,
      outputs,
      `${parameter}_bias`,
      biases === 'all' || (biases === 'mlp' && parameter.includes('.mlp.')),
    ),
  ]
  const layer = (index: number) => [
    ...norm(`h.${index}.ln_1`, `layer${index}.attention_norm`),
    ...dense(`h.${index}.attn.c_attn`, `layer${index}.attention.qkv`, [width, 3 * width]),
    ...dense(`h.${index}.attn.c_proj`, `layer${index}.attention.out`, [width, width]),
    ...norm(`h.${index}.ln_2`, `layer${index}.mlp_norm`),
    ...dense(`h.${index}.mlp.c_fc`, `layer${index}.mlp.up`, [width, mlpWidth]),
    ...dense(`h.${index}.mlp.c_proj`, `layer${index}.mlp.down`, [mlpWidth, width]),
  ]
  const head: Place = {
    ...{ name: 'lm_head.weight', shape: [vocabulary, width], from: { parameter: 'head' }, transposed: true },
  }
  return {
    config: {
      architectures: ['GPT2LMHeadModel'],
      model_type: 'gpt2',
      vocab_size: vocabulary,
      n_positions: context,
      n_embd: width,
      n_layer: layers,
      n_head: heads,
      n_inner: mlpWidth,
      activation_function: activations[activation],
      layer_norm_epsilon: layerEpsilon,
      ...{ embd_pdrop: 0, attn_pdrop: 0, resid_pdrop: 0 },
      ...{ bos_token_id: null, eos_token_id: null },
      tie_word_embeddings: tied,
      dtype: 'float32',
    },
    places: [
      whole('wte.weight', [vocabulary, width], 'token_embedding'),
      whole('wpe.weight', [context, width], 'position_embedding'),
      ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
      ...norm('ln_f', 'final_norm'),
      ...(tied ? [] : [head]),
    ],
  }
}
