import type { Stream } from '@libp2p/interface'
import { MurmurError } from '../protocol/errors.ts'
import { networkLimits } from './limits.ts'
import { type UploadPacer, unlimitedUpload } from './upload.ts'

export interface StreamBytesOptions {
  /** Aborting it aborts the stream. */
  readonly signal: AbortSignal
  /** No byte read or taken by the network for this long ends the stream with STREAM_IDLE. */
  readonly idleMs: number
}

/**
 * Exact reads and backpressured writes on a libp2p stream, with an idle bound. libp2p's own `byteStream` reads
 * without telling the sender to wait, and its `onDrain` waits only for the first drain of a stream's life.
 * All errors of reading and writing are of the stream: after one, the stream is gone.
 */
export class StreamBytes {
  readonly #stream: Stream
  readonly #signal: AbortSignal
  readonly #unread: Uint8Array[] = []
  #unreadBytes = 0
  #ended: unknown
  #finished = false
  #wake: (() => void) | undefined
  readonly #idle: NodeJS.Timeout

  constructor(stream: Stream, { signal, idleMs }: StreamBytesOptions) {
    this.#stream = stream
    this.#signal = signal
    this.#idle = setTimeout(() => this.abort(idleError(idleMs)), idleMs)
    stream.addEventListener('message', ({ data }) => {
      for (const chunk of data instanceof Uint8Array ? [data] : data) this.#unread.push(chunk)
      this.#unreadBytes += data.byteLength
      this.#touch()
      if (this.#unreadBytes > networkLimits.unreadBytes && stream.readStatus === 'readable') stream.pause()
      this.#wakeUp()
    })
    stream.addEventListener('drain', () => {
      this.#touch()
      this.#wakeUp()
    })
    stream.addEventListener('end', () => this.#end(endedError()))
    stream.addEventListener('close', () => {
      this.#finish()
      this.#end(endedError())
    })
    signal.addEventListener('abort', this.#onAbort, { once: true })
    // Each may have happened before there was a listener.
    if (stream.readableEnded) this.#end(endedError())
    if (stream.status !== 'open') this.#finish()
    if (signal.aborted) this.abort(signal.reason)
  }

  readonly #onAbort = (): void => this.abort(this.#signal.reason)

  #touch(): void {
    // Refreshing a cleared timer would start it again.
    if (!this.#finished) this.#idle.refresh()
  }

  #finish(): void {
    this.#finished = true
    clearTimeout(this.#idle)
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #end(error: unknown): void {
    this.#ended ??= error
    this.#wakeUp()
  }

  async #news(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  /** Fills `target`, showing each piece to `onPiece` as it arrives. Throws STREAM_ENDED when there is less. */
  async readInto(target: Uint8Array, onPiece?: (piece: Uint8Array) => void): Promise<void> {
    let filled = 0
    while (filled < target.length) {
      const chunk = this.#unread.shift()
      if (chunk === undefined) {
        // Resuming hands over at once what had piled up, and only then the end.
        if (this.#stream.readStatus === 'paused') this.#stream.resume()
        if (this.#unread.length > 0) continue
        if (this.#ended !== undefined) throw this.#ended
        await this.#news()
        continue
      }
      const piece = chunk.subarray(0, target.length - filled)
      if (piece.length < chunk.length) this.#unread.unshift(chunk.subarray(piece.length))
      target.set(piece, filled)
      filled += piece.length
      this.#unreadBytes -= piece.length
      onPiece?.(piece)
    }
  }

  /** Reads and forgets, without ever holding more than what is unread. */
  async skip(byteCount: number): Promise<void> {
    const bin = new Uint8Array(Math.min(byteCount, networkLimits.frameBytes))
    for (let left = byteCount; left > 0; left -= Math.min(left, bin.length))
      await this.readInto(bin.subarray(0, Math.min(left, bin.length)))
  }

  async read(byteCount: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(byteCount)
    await this.readInto(bytes)
    return bytes
  }

  /** Hands `bytes` to the stream frame by frame, each only once the one before has left and `pacer` lets it pass. */
  async write(bytes: Uint8Array, pacer: UploadPacer = unlimitedUpload): Promise<void> {
    for (let at = 0; at < bytes.length; at += pacer.frameBytes) {
      const frame = bytes.subarray(at, at + pacer.frameBytes)
      await this.#writable()
      await pacer.pass(frame.length, this.#signal)
      await this.#writable()
      this.#stream.send(frame)
      this.#touch()
    }
    await this.#writable()
  }

  async #writable(): Promise<void> {
    const stream = this.#stream
    while (stream.writableNeedsDrain && stream.writeStatus === 'writable') await this.#news()
    if (stream.writeStatus !== 'writable') throw this.#ended ?? endedError()
  }

  /** Ends our side after what was written; the stream is aborted if the other side does not close in time. */
  async close(): Promise<void> {
    const stream = this.#stream
    if (stream.status !== 'open') return this.#finish()
    clearTimeout(this.#idle)
    this.#finished = true
    const overdue = setTimeout(
      () => stream.abort(new Error('the other side did not close')),
      networkLimits.closeMs,
    )
    overdue.unref()
    stream.addEventListener('close', () => clearTimeout(overdue))
    await stream.close({ signal: this.#signal }).catch((error: Error) => stream.abort(error))
  }

  abort(reason: unknown): void {
    this.#end(reason)
    this.#finish()
    this.#stream.abort(reason instanceof Error ? reason : new Error(String(reason)))
  }
}

function endedError(): MurmurError {
  return new MurmurError('STREAM_ENDED', {
    message: 'the peer closed the stream before its answer was complete',
    next: 'try again, or another peer',
    exit: 'unreachable',
  })
}

function idleError(idleMs: number): MurmurError {
  return new MurmurError('STREAM_IDLE', {
    message: `the peer neither sent nor took a byte for ${idleMs} ms`,
    next: 'try again, or another peer',
    exit: 'timeout',
  })
}
