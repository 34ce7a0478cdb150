import { assertPositive, invalidModel } from '../invalid-model.ts'

type GptStyle = 'default' | 'gpt2' | 'modern'

/** What a GPT is made of beside its sizes. */
interface GptParts {
  /** Layer normalization (Ba et al., arXiv 1607.06450), or by the root mean square (Zhang & Sennrich, arXiv 1910.07467). */
  readonly norm: 'layer' | 'rms'
  /** A learned vector added to each place, or queries and keys turned by their place (Su et al., arXiv 2104.09864). */
  readonly positions: 'learned' | 'rotary'
  /** Of the MLP. `gelu` is GPT-2's, by tanh; `swiglu` has a third matrix as its gate (Shazeer, arXiv 2002.05202). */
  readonly activation: 'squared-relu' | 'gelu' | 'swiglu'
  /** Heads of keys and values, each shared by heads / keyValueHeads queries (Ainslie et al., arXiv 2305.13245). */
  readonly keyValueHeads: number
  /** The head is the token embedding. */
  readonly tied: boolean
  /** Queries and keys of each head are normalized (Henry et al., arXiv 2010.04245), with a learned scale, as in Qwen3. */
  readonly qkNorm: boolean
  /** Which matrices have biases: none, the MLP's, or those of attention too. */
  readonly biases: 'none' | 'mlp' | 'all'
  /** Width of the MLP. */
  readonly mlpWidth: number
}

/** What a run file says of a GPT: sizes, and where it departs from its style. Null and absent are the same. */
export type GptShape = {
  readonly layers: number
  readonly width: number
  readonly heads: number
  /** Tokens a row. */
  readonly context: number
  /** Distinct tokens; 256, where a token is a byte, unless it is given. */
  readonly vocabulary?: number | null
  readonly style?: GptStyle | null
} & { readonly [Part in keyof GptParts]?: GptParts[Part] | null }

/** A GPT with nothing left open. */
export interface GptDesign extends GptParts {
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly context: number
  readonly vocabulary: number
  /** Values of a head's query. */
  readonly headWidth: number
}

/** A token is a byte. */
export const byteVocabulary = 256

type Style = Omit<GptParts, 'keyValueHeads' | 'mlpWidth'>

const styles: Readonly<Record<GptStyle, Style>> = {
  default: {
    ...{ norm: 'layer', positions: 'learned', activation: 'squared-relu' },
    ...{ tied: false, qkNorm: false, biases: 'mlp' },
  },
  gpt2: {
    ...{ norm: 'layer', positions: 'learned', activation: 'gelu' },
    ...{ tied: true, qkNorm: false, biases: 'all' },
  },
  modern: {
    ...{ norm: 'rms', positions: 'rotary', activation: 'swiglu' },
    ...{ tied: true, qkNorm: true, biases: 'none' },
  },
}

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function designOf(shape: GptShape): GptDesign {
  const { layers, width, heads, context } = shape
  const vocabulary = shape.vocabulary ?? byteVocabulary
  const style = shape.style ?? 'default'
  const usual = styles[style]
  const parts = {
    norm: shape.norm ?? usual.norm,
    positions: shape.positions ?? usual.positions,
    activation: shape.activation ?? usual.activation,
    tied: shape.tied ?? usual.tied,
    qkNorm: shape.qkNorm ?? usual.qkNorm,
    biases: shape.biases ?? usual.biases,
  }
  const grouped = style === 'modern' && heads % 2 === 0 ? heads / 2 : heads
  const keyValueHeads = shape.keyValueHeads ?? grouped
  const mlpWidth = shape.mlpWidth ?? (parts.activation === 'swiglu' ? gatedWidth(width) : width * 4)
  assertPositive({ layers, width, heads, context, vocabulary, keyValueHeads, mlpWidth })
  if (width % heads !== 0) throw invalidModel(`width ${width} is not a multiple of heads ${heads}`)
  if (heads % keyValueHeads !== 0)
    throw invalidModel(`heads ${heads} is not a multiple of keyValueHeads ${keyValueHeads}`)
  const headWidth = width / heads
  if (parts.positions === 'rotary' && headWidth % 2 !== 0)
    throw invalidModel(`rotary positions turn pairs: width / heads is ${headWidth}, which is odd`)
  return { layers, width, heads, context, vocabulary, keyValueHeads, mlpWidth, headWidth, ...parts }
}

/** 8/3 of the width, so that three matrices hold what two of 4 widths do, in whole multiples of 16. */
const gatedWidth = (width: number): number => Math.ceil((width * 8) / 3 / 16) * 16
