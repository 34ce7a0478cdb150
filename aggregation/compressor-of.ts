import type { AveragingSection } from '../protocol/run-spec.ts'
import type { Compressor } from './compressor.ts'
import { maxChunkSize } from './contribution-format.ts'
import { sparseLoCo } from './sparse-loco.ts'

/** The compressor a run spec asks for. */
export function compressorOf(averaging: AveragingSection): Compressor {
  switch (averaging.compressor) {
    case 'sparse-loco':
      return sparseLoCo({ chunkSize: maxChunkSize, k: averaging.topK, beta: averaging.errorFeedback })
    default:
      return averaging.compressor satisfies never
  }
}
