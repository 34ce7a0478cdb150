import type { ModelShape } from './model-spec.ts'

/**
 * Arithmetic operations of a training step for each token or row: 6 a parameter and use. A GPT's attention adds
 * 12 · layers · width · context (Chowdhery et al., "PaLM", arXiv 2204.02311, appendix B); a filter is used at each pixel.
 */
export function operationsPerToken(model: ModelShape, parameterCount: number): number {
  if (model.preset === 'gpt') return 6 * parameterCount + 12 * model.layers * model.width * model.context
  if (model.preset !== 'cnn') return 6 * parameterCount
  let uses = 0
  let [inputs, height, width, parameters] = [model.channels, model.height, model.width, 0]
  for (const count of model.filters) {
    const block = 9 * inputs * count + count
    parameters += block
    uses += block * height * width
    ;[inputs, height, width] = [count, Math.floor(height / 2), Math.floor(width / 2)]
  }
  return 6 * (uses + parameterCount - parameters)
}

/**
 * What of that is done where parameters are frozen, which have no gradient of their own (a third of their part), and where
 * the forward pass, a third of the whole, is run again.
 */
export const adjustedOperations = (
  perToken: number,
  { frozenCount, recompute }: { readonly frozenCount: number; readonly recompute: boolean },
): number => perToken * (recompute ? 4 / 3 : 1) - 2 * frozenCount
