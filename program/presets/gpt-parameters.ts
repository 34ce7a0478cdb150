import { layOut, type Parameter, type ParameterTable } from '../parameter-table.ts'
import type { GptDesign } from './gpt-shape.ts'

type Unplaced = Omit<Parameter, 'offset'>

const matrix = (name: string, rows: number, columns: number, std: number): Unplaced => ({
  name,
  shape: [rows, columns],
  init: { kind: 'normal', std },
  decay: true,
})
const vector = (name: string, size: number, kind: 'zeros' | 'ones'): Unplaced => ({
  name,
  shape: [size],
  init: { kind },
  decay: false,
})

/**
 * Parameters of a pre-norm GPT (Radford et al. 2019). Matrices start at 1/√fan-in, those that write to the residual
 * stream smaller by √(2·layers), so that the stream's variance does not grow with depth. Matrices are [inputs, outputs];
 * `attention.qkv` holds the columns of all queries, then of all keys, then of all values.
 */
export function gptParameters(design: GptDesign): ParameterTable {
  const { layers, width, context, vocabulary, positions, tied } = design
  return layOut([
    matrix('token_embedding', vocabulary, width, 0.02),
    ...(positions === 'learned' ? [matrix('position_embedding', context, width, 0.02)] : []),
    ...Array.from({ length: layers }, (_, index) => layerParameters(design, `layer${index}`)).flat(),
    ...normParameters(design, 'final_norm'),
    ...(tied ? [] : [matrix('head', width, vocabulary, 1 / Math.sqrt(width))]),
  ])
}

function normParameters({ norm, width }: GptDesign, name: string): readonly Unplaced[] {
  const scale = vector(`${name}.scale`, width, 'ones')
  return norm === 'layer' ? [scale, vector(`${name}.bias`, width, 'zeros')] : [scale]
}

function layerParameters(design: GptDesign, prefix: string): readonly Unplaced[] {
  const { layers, width, heads, keyValueHeads, headWidth, mlpWidth, activation, biases, qkNorm } = design
  const residual = Math.sqrt(2 * layers)
  const joined = [heads, keyValueHeads, keyValueHeads].map((count) => count * headWidth)
  const qkvWidth = (heads + 2 * keyValueHeads) * headWidth
  const into = 1 / Math.sqrt(width)
  const bias = (of: 'attention' | 'mlp', name: string, size: number) =>
    biases === 'all' || biases === of ? [vector(`${prefix}.${of}.${name}_bias`, size, 'zeros')] : []
  return [
    ...normParameters(design, `${prefix}.attention_norm`),
    { ...matrix(`${prefix}.attention.qkv`, width, qkvWidth, into), joined },
    ...bias('attention', 'qkv', qkvWidth),
    ...(qkNorm
      ? ['query', 'key'].map((name) => vector(`${prefix}.attention.${name}_norm`, headWidth, 'ones'))
      : []),
    matrix(`${prefix}.attention.out`, width, width, into / residual),
    ...bias('attention', 'out', width),
    ...normParameters(design, `${prefix}.mlp_norm`),
    ...(activation === 'swiglu' ? [matrix(`${prefix}.mlp.gate`, width, mlpWidth, into)] : []),
    ...(activation === 'swiglu' ? bias('mlp', 'gate', mlpWidth) : []),
    matrix(`${prefix}.mlp.up`, width, mlpWidth, into),
    ...bias('mlp', 'up', mlpWidth),
    matrix(`${prefix}.mlp.down`, mlpWidth, width, 1 / Math.sqrt(mlpWidth) / residual),
    ...bias('mlp', 'down', width),
  ]
}

/** How many they are, without laying them out: a spec may ask for more layers than fit into a table. */
export function gptDesignCount(design: GptDesign): number {
  const { layers, width, context, vocabulary, positions, tied } = design
  const sum = (of: readonly Unplaced[]) =>
    of.reduce((total, { shape }) => total + shape.reduce((product, size) => product * size, 1), 0)
  const embeddings = vocabulary * (tied ? 1 : 2) + (positions === 'learned' ? context : 0)
  return (
    layers * sum(layerParameters(design, 'layer')) +
    embeddings * width +
    sum(normParameters(design, 'final_norm'))
  )
}
