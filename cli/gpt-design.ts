import { designOf, type GptDesign } from '../program/presets/gpt-shape.ts'
import type { ModelSection } from '../protocol/model-section.ts'
import type { DataManifest } from '../worker/data/manifest.ts'

/** The GPT that a run trains, its vocabulary that of the data's tokens; null where it trains another model. */
export function gptDesignOf(model: ModelSection, format: DataManifest['format']): GptDesign | null {
  if (model.preset !== 'gpt') return null
  return designOf({ ...model, vocabulary: format.kind === 'tokens' ? format.vocabulary : null })
}
