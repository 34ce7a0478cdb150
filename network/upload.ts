import { MurmurError } from '../protocol/errors.ts'
import type { Clock } from '../protocol/ports.ts'
import { networkLimits } from './limits.ts'

/** Paces what a node sends of blocks, over all peers together. */
export interface UploadPacer {
  /** What to hand to a stream at once. */
  readonly frameBytes: number
  /** Blocks to send at once: no more than the rate can carry at the speed below which their askers give up. */
  readonly answers: number
  /** Resolves when `byteCount` more bytes may leave, in the order of asking. Rejects when aborted. */
  pass(byteCount: number, signal: AbortSignal): Promise<void>
}

export interface UploadDependencies {
  readonly clock: Clock
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export const unlimitedUpload: UploadPacer = {
  frameBytes: networkLimits.frameBytes,
  answers: networkLimits.blockAnswers,
  pass: async () => {},
}

/**
 * A token bucket of one frame's depth, kept as the time at which the line is free again (the virtual scheduling form of
 * GCRA, ITU-T I.371): one number, whatever waits. Throws UPLOAD_LIMIT_TOO_LOW.
 */
export function createUploadPacer(bytesPerSecond: number, { clock, sleep }: UploadDependencies): UploadPacer {
  const floor = networkLimits.uploadFloorBytesPerSecond
  if (!(bytesPerSecond >= floor))
    throw new MurmurError('UPLOAD_LIMIT_TOO_LOW', {
      message: `an upload limit of ${bytesPerSecond} bytes a second is below ${floor}, with which no block arrives in time`,
      next: `allow at least ${(floor * 8) / 1e6} Mbit/s, or none at all by not serving`,
      exit: 'usage',
    })
  const {
    frameBytes: largest,
    uploadFrameFloorBytes: smallest,
    blockBytesPerSecond,
    blockAnswers,
  } = networkLimits
  let freeAt = Number.NEGATIVE_INFINITY
  return {
    frameBytes: Math.max(smallest, Math.min(largest, Math.floor(bytesPerSecond / 8))),
    answers: Math.max(1, Math.min(blockAnswers, Math.floor(bytesPerSecond / (2 * blockBytesPerSecond)))),
    async pass(byteCount, signal) {
      const now = clock.now()
      const startMs = Math.max(now, freeAt)
      freeAt = startMs + (byteCount / bytesPerSecond) * 1000
      if (startMs > now) await sleep(startMs - now, signal)
    },
  }
}
