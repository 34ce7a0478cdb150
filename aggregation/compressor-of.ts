import type { AveragingSection } from '../protocol/run-spec.ts'
import type { Compressor } from './compressor.ts'
import { int4, int8 } from './compressors/absmax.ts'
import { demo } from './compressors/demo.ts'
import { f32 } from './compressors/f32.ts'
import { bf16, f16 } from './compressors/half-precision.ts'
import { sign } from './compressors/sign.ts'
import { sparseLoCoRice } from './compressors/sparse-loco-rice.ts'
import { maxChunkSize } from './contribution-format.ts'

/** That of a round's average (aggregation/shared-average.ts): `k` of each 4,096 values. */
export const averageCompressor = (k: number): Compressor =>
  sparseLoCoRice({ chunkSize: maxChunkSize, k, beta: 1 })

/** The compressor of the contributions a run spec asks for. */
export function compressorOf({
  compressor,
  topK,
  blockSize,
  transformSize,
  coefficients,
  errorFeedback: beta,
}: AveragingSection): Compressor {
  switch (compressor) {
    case 'sparse-loco':
      return sparseLoCoRice({ chunkSize: maxChunkSize, k: topK, beta })
    case 'f32':
      return f32()
    case 'bf16':
      return bf16({ beta })
    case 'f16':
      return f16({ beta })
    case 'int8':
      return int8({ blockSize, beta })
    case 'int4':
      return int4({ blockSize, beta })
    case 'sign':
      return sign({ blockSize, beta })
    case 'demo':
      return demo({ chunkSize: transformSize, k: coefficients, beta })
    default:
      return compressor satisfies never
  }
}
