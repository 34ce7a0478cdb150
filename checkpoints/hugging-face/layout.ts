import type { GptDesign } from '../../program/presets/gpt-shape.ts'
import { MurmurError } from '../../protocol/errors.ts'
import { gpt2Layout, isGpt2 } from './gpt2.ts'
import { isLlama, llamaLayout } from './llama.ts'

/** Where a tensor of a Hugging Face model lies among our parameters. */
export interface Place {
  readonly name: string
  readonly shape: readonly number[]
  /** Columns of one of our parameters; null where our model has no such parameter, which is as if it were zeros. */
  readonly from: {
    readonly parameter: string
    /** First column, and the one after the last; the whole where they are left out. */
    readonly columns?: readonly [number, number]
  } | null
  /** Ours is its transpose: a `torch.nn.Linear` is [outputs, inputs], our matrices are [inputs, outputs]. */
  readonly transposed: boolean
}

/** A model of `transformers` that computes exactly what a GPT of ours does. */
export interface Layout {
  /** `config.json`. */
  readonly config: Readonly<Record<string, unknown>>
  readonly places: readonly Place[]
}

/**
 * GPT2LMHeadModel, LlamaForCausalLM or Qwen3ForCausalLM, whichever is the design.
 * @throws MurmurError ARCHITECTURE_UNKNOWN (exit `usage`): none is.
 */
export function layoutOf(design: GptDesign): Layout {
  if (isGpt2(design)) return gpt2Layout(design)
  if (isLlama(design)) return llamaLayout(design)
  const { norm, positions, activation, keyValueHeads, qkNorm, biases } = design
  throw new MurmurError('ARCHITECTURE_UNKNOWN', {
    message: `no architecture of transformers is a GPT with norm ${norm}, positions ${positions}, activation ${activation}, keyValueHeads ${keyValueHeads}, qkNorm ${qkNorm}, biases ${biases}`,
    next: 'train with model.style gpt2, modern or default and few keys of your own (docs/models.md lists which); `--format safetensors` exports any model',
    exit: 'usage',
  })
}
