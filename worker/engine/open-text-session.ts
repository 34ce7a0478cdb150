import { decodingProgramsOf } from '../../program/decoding-programs.ts'
import type { LoraOptions } from '../../program/lora/adapters.ts'
import { modelShapeOf } from '../../program/model-spec.ts'
import type { ModelSection } from '../../protocol/model-section.ts'
import type { Engine } from './engine.ts'
import type { TextSession } from './sampling.ts'

/**
 * What makes text of a run's parameters the fastest: token by token where the run's model is one that this version builds,
 * otherwise by the run's sampling program.
 */
export async function openTextSession(
  engine: Engine,
  sampling: Uint8Array,
  { model, lora }: { readonly model: ModelSection; readonly lora: LoraOptions | null },
  signal?: AbortSignal,
): Promise<TextSession> {
  const trained = { model: model.preset === 'onnx' ? model : modelShapeOf(model), lora }
  const programs = decodingProgramsOf(sampling, trained)
  return programs === null
    ? await engine.loadSampling(sampling, signal)
    : await engine.loadDecoding(programs, signal)
}
