import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import { networkLimits } from './limits.ts'
import { openStream } from './protocols.ts'
import { StreamBytes } from './stream-bytes.ts'
import { createTokenBuckets } from './token-bucket.ts'
import { createTurnstile } from './turnstile.ts'
import type { UploadPacer } from './upload.ts'

/**
 * `/murmur/probe/1`: the asker sends u8 echoes, u32 down, u32 up (big-endian). The answerer sends a status byte (0 go on,
 * 1 asked too often, 2 out of bounds). Then each echo, a byte there and back; then `down` bytes from the answerer;
 * then `up` bytes from the asker, and one byte back.
 */
const headerBytes = 9
const goOn = 0
const tooOften = 1
const outOfBounds = 2

export interface ProbeOptions {
  /** Bytes each way, at most 4 MiB; 1 MiB unless told. */
  readonly bytes?: number
  readonly echoes?: number
}

export interface LinkMeasurement {
  /** The shortest of the echoes. */
  readonly roundTripMs: number
  readonly downBytesPerSecond: number
  readonly upBytesPerSecond: number
}

export interface Probes {
  /**
   * Measures the connection to a peer. Throws PROBE_REFUSED when it was asked too often, PROBE_TIMEOUT, and as
   * `openStream`.
   */
  measure(peer: WorkerId, signal: AbortSignal, options?: ProbeOptions): Promise<LinkMeasurement>
  /** Answers one inbound stream. Never rejects. */
  answer(stream: Stream, connection: Connection): Promise<void>
}

export interface ProbeDependencies {
  readonly clock: Clock
  readonly pacer: UploadPacer
  readonly stopping: AbortSignal
}

export function createProbes(libp2p: Libp2p, { clock, pacer, stopping }: ProbeDependencies): Probes {
  const { probeBurst, probesPerSecond, authors, probeAnswers, probeMs, probeBytes, probeEchoes } =
    networkLimits
  const allowance = createTokenBuckets(
    { burst: probeBurst, perSecond: probesPerSecond, names: authors },
    clock,
  )
  const places = createTurnstile(probeAnswers)
  return {
    async measure(peer, signal, { bytes: byteCount = 1024 * 1024, echoes = 5 } = {}) {
      const deadline = AbortSignal.timeout(probeMs)
      const either = AbortSignal.any([signal, stopping, deadline])
      try {
        const stream = await openStream(libp2p, peer, 'probe', either)
        const bytes = new StreamBytes(stream, { signal: either, idleMs: probeMs })
        try {
          const measured = await measureOver(bytes, peer, byteCount, echoes, pacer)
          void bytes.close()
          return measured
        } catch (error) {
          bytes.abort(error)
          throw error
        }
      } catch (error) {
        signal.throwIfAborted()
        if (!deadline.aborted) throw error
        throw new MurmurError('PROBE_TIMEOUT', {
          message: `${byteCount} bytes each way to ${peer} did not cross within ${probeMs} ms`,
          next: 'measure with fewer bytes; on such a connection a run will be slow',
          exit: 'timeout',
          details: { peer },
          cause: error,
        })
      }
    },
    async answer(stream, connection) {
      const bytes = new StreamBytes(stream, {
        signal: AbortSignal.any([stopping, AbortSignal.timeout(probeMs)]),
        idleMs: probeMs,
      })
      const gone = new AbortController()
      stream.addEventListener('close', () => gone.abort(new Error('the asker is gone')))
      try {
        const header = await bytes.read(headerBytes)
        const view = new DataView(header.buffer)
        const [echoes, down, up] = [view.getUint8(0), view.getUint32(1), view.getUint32(5)]
        if (down > probeBytes || up > probeBytes || echoes > probeEchoes) await refuse(bytes, outOfBounds)
        else if (!allowance.take(workerId(connection.remotePeer.toString()))) await refuse(bytes, tooOften)
        else {
          const leave = await places.enter(gone.signal)
          try {
            await bytes.write(Uint8Array.of(goOn))
            for (let echo = 0; echo < echoes; echo++) await bytes.write(await bytes.read(1))
            await bytes.write(new Uint8Array(down), pacer)
            await bytes.skip(up)
            await bytes.write(Uint8Array.of(goOn))
            await bytes.close()
          } finally {
            leave()
          }
        }
      } catch (error) {
        bytes.abort(error)
      }
    },
  }
}

async function refuse(bytes: StreamBytes, status: number): Promise<void> {
  await bytes.write(Uint8Array.of(status))
  await bytes.close()
}

async function measureOver(
  bytes: StreamBytes,
  peer: WorkerId,
  byteCount: number,
  echoes: number,
  pacer: UploadPacer,
): Promise<LinkMeasurement> {
  const header = new Uint8Array(headerBytes)
  const view = new DataView(header.buffer)
  view.setUint8(0, echoes)
  view.setUint32(1, byteCount)
  view.setUint32(5, byteCount)
  await bytes.write(header)
  const [status] = await bytes.read(1)
  if (status !== goOn)
    throw new MurmurError('PROBE_REFUSED', {
      message: `${peer} does not measure ${status === tooOften ? 'again so soon' : 'so much at once'}`,
      next:
        status === tooOften ? 'try again in a minute' : `ask for at most ${networkLimits.probeBytes} bytes`,
      exit: 'unreachable',
      details: { peer },
    })
  let roundTripMs = Number.POSITIVE_INFINITY
  let before = performance.now()
  for (let echo = 0; echo < echoes; echo++) {
    before = performance.now()
    await bytes.write(Uint8Array.of(echo))
    await bytes.read(1)
    roundTripMs = Math.min(roundTripMs, performance.now() - before)
  }
  // The answerer starts to send when the last echo has left it: half a round trip ago.
  const downStart = performance.now() - roundTripMs / 2
  await bytes.skip(byteCount)
  const downMs = performance.now() - downStart - roundTripMs / 2
  const upStart = performance.now()
  await bytes.write(new Uint8Array(byteCount), pacer)
  await bytes.read(1)
  const upMs = performance.now() - upStart - roundTripMs
  return {
    roundTripMs,
    downBytesPerSecond: rate(byteCount, downMs),
    upBytesPerSecond: rate(byteCount, upMs),
  }
}

/** On a link so fast that only the clock's grain is seen, no time at all would be infinity. */
const rate = (byteCount: number, ms: number): number => Math.round((byteCount / Math.max(ms, 0.1)) * 1000)
