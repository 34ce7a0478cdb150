import type { Model } from './model.ts'
import { type ClassifierShape, classifier } from './presets/classifier.ts'
import { type GptShape, gpt } from './presets/gpt.ts'

export type GptSpec = { readonly preset: 'gpt' } & GptShape

/** A model of a few numbers. */
export type ModelShape = GptSpec | ClassifierShape

export type ModelSpec = ModelShape & {
  /** Rows a step. */
  readonly batch: number
}

/** Takes the steps between two averages: program/optimizers/. */
export type InnerOptimizer = 'adamw' | 'muon'

/** About 868,000 parameters. */
export const defaultModel = {
  preset: 'gpt',
  layers: 4,
  width: 128,
  heads: 4,
  context: 64,
  batch: 16,
} as const satisfies ModelSpec

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function modelOf(spec: ModelSpec): Model {
  return spec.preset === 'gpt' ? gpt(spec, spec.batch) : classifier(spec, spec.batch)
}
