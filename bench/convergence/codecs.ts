import type { Compressor } from '../../aggregation/compressor.ts'
import { int4, int8 } from '../../aggregation/compressors/absmax.ts'
import { f32 } from '../../aggregation/compressors/f32.ts'
import { sign } from '../../aggregation/compressors/sign.ts'
import { sparseLoCoRice } from '../../aggregation/compressors/sparse-loco-rice.ts'
import { maxChunkSize } from '../../aggregation/contribution-format.ts'
import { along, type CodecSpec } from './cell.ts'

const blockSize = 128
/** A sign's scale is a mean, not a maximum: it loses little in a large block, where its own bytes vanish. */
const signBlockSize = 4096

/** The compressor of a cell's round, `done` of 1 into the training. */
export function compressorAt(spec: CodecSpec, done: number): Compressor {
  switch (spec.kind) {
    case 'f32':
      return f32()
    case 'int8':
      return int8({ blockSize, beta: spec.beta })
    case 'int4':
      return int4({ blockSize, beta: spec.beta })
    case 'sign':
      return sign({ blockSize: spec.blockSize ?? signBlockSize, beta: spec.beta })
    case 'sparse': {
      const k = Math.min(maxChunkSize, Math.max(1, Math.round(along(spec.k, done))))
      return sparseLoCoRice({ chunkSize: maxChunkSize, k, beta: spec.beta })
    }
    default:
      return spec satisfies never
  }
}
