import { invariant } from '../protocol/errors.ts'
import type { ShapedModelSection } from '../protocol/model-section.ts'
import type { Model } from './model.ts'
import { type ClassifierShape, classifier, type RegressorShape, regressor } from './presets/classifier.ts'
import { gpt } from './presets/gpt.ts'
import type { GptShape } from './presets/gpt-shape.ts'

export type GptSpec = { readonly preset: 'gpt' } & GptShape

/** A model of a few numbers. */
export type ModelShape = GptSpec | ClassifierShape | RegressorShape

export type ModelSpec = ModelShape & {
  /** Rows a step. */
  readonly batch: number
}

/** About 868,000 parameters. */
export const defaultModel = {
  preset: 'gpt',
  layers: 4,
  width: 128,
  heads: 4,
  context: 64,
  batch: 16,
} as const satisfies ModelSpec

/** The model that a run spec's section says. */
export function modelShapeOf(section: ShapedModelSection): ModelShape {
  if (section.preset === 'gpt') return section
  const { classes, outputs, ...sizes } = section
  invariant(classes !== null || outputs !== null, 'a run spec says how many classes or outputs')
  return classes !== null ? { ...sizes, classes } : { ...sizes, outputs: outputs! }
}

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function modelOf(spec: ModelSpec): Model {
  const { batch, ...shape } = spec
  if (shape.preset === 'gpt') return gpt(shape, batch)
  return 'outputs' in shape ? regressor(shape, batch) : classifier(shape, batch)
}
