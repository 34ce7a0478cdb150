import { z } from 'zod'
import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { layoutOf } from './layout.ts'
import { unfit } from './weights.ts'

/** What a `config.json` may leave out, as `transformers` fills it in. Null and absent are the same. */
const defaults: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  gpt2: {
    ...{ activation_function: 'gelu_new', layer_norm_epsilon: 1e-5, tie_word_embeddings: true },
    ...{ scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, add_cross_attention: false },
  },
  llama: {
    ...{ hidden_act: 'silu', rms_norm_eps: 1e-6, rope_theta: 10_000, tie_word_embeddings: false },
    ...{ attention_bias: false, mlp_bias: false },
  },
  qwen3: {
    ...{ hidden_act: 'silu', rms_norm_eps: 1e-6, rope_theta: 10_000, tie_word_embeddings: false },
    ...{ attention_bias: false, use_sliding_window: false },
  },
}

/** What our models never have, whatever their design. */
const absent: Readonly<Record<string, unknown>> = {
  ...{ scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, add_cross_attention: false },
  ...{ use_sliding_window: false, rope_scaling: null },
}

/** Keys that say nothing of the maths: names, dropout while training, tokens of the tokenizer, the dtype of the file. */
const idle = /^(architectures|dtype|.*_pdrop|attention_dropout|.*_token_id|rope_parameters)$/

/** Sizes of the context: a longer one is cut. */
const lengths = new Set(['n_positions', 'max_position_embeddings'])

const synonyms: ReadonlyMap<unknown, unknown> = new Map([['gelu_pytorch_tanh', 'gelu_new']])

const record = z.record(z.string(), z.unknown())

/**
 * Whether a `config.json` describes the model that a design is.
 * @throws MurmurError PRETRAINED_UNFIT (exit `usage`) naming the key and both values.
 */
export function checkConfig(config: unknown, design: GptDesign): void {
  const parsed = record.safeParse(config)
  if (!parsed.success) throw unfit('config.json is not an object')
  const wanted = layoutOf(design).config
  const given = complete(parsed.data, String(wanted.model_type))
  for (const [key, value] of [...Object.entries(wanted), ...Object.entries(absent)]) {
    if (idle.test(key)) continue
    const own = key === 'model_type' ? parsed.data.model_type : given.get(key)
    const has = synonyms.get(own) ?? own ?? null
    const fits = lengths.has(key)
      ? Number(has) >= Number(value)
      : has === value || (has === null && key in absent)
    if (!fits)
      throw unfit(
        `config.json has ${key} ${JSON.stringify(has)}, the model section makes it ${JSON.stringify(value)}`,
      )
  }
}

function complete(
  config: Readonly<Record<string, unknown>>,
  modelType: string,
): ReadonlyMap<string, unknown> {
  const entries = (of: object) => Object.entries(of).filter(([, value]) => value !== null)
  const rope = record.safeParse(config.rope_parameters)
  const given = new Map<string, unknown>([
    ...entries(defaults[modelType] ?? {}),
    ...entries(config),
    ...(rope.success ? entries({ rope_theta: rope.data.rope_theta ?? null }) : []),
  ])
  const ratio = (a: string, b: string) => Number(given.get(a)) / Number(given.get(b))
  const fill = (key: string, value: unknown) => given.set(key, given.get(key) ?? value)
  if (rope.success && rope.data.rope_type !== 'default') given.set('rope_scaling', rope.data.rope_type)
  if (modelType === 'gpt2') return fill('n_inner', 4 * Number(given.get('n_embd')))
  fill('num_key_value_heads', given.get('num_attention_heads'))
  if (modelType === 'qwen3') fill('head_dim', 128)
  return fill('head_dim', ratio('hidden_size', 'num_attention_heads'))
}
