import { invariant } from '../../protocol/errors.ts'
import type { Compressed, Compressor } from '../compressor.ts'
import { malformed } from '../contribution-format.ts'
import { decodeCodes, encodeCodes } from './adaptive-codes.ts'
import { accumulate, diverged, largestMagnitude } from './codec.ts'
import { checkHeader, type FormatHeader, headerBytes, viewOf, writeHeader } from './format-header.ts'
import { mostBitsOfDecision, mostFlushBytes } from './range-coder.ts'

export interface DeadZoneConfig {
  /** Quantization step, in root mean squares of a chunk: hundredths from {@link leastStep} to {@link mostStep}. */
  readonly step: number
  /** Decay of the error feedback, an f32. */
  readonly beta: number
}

const leastStep = 0.05
/** Up to here a chunk whose magnitudes are all alike is sent: they are 1 / 1.5 of a step, outside of the dead zone. */
const mostStep = 1.5

const chunkSize = 4096
/** In steps: what is nearer to zero is not sent. */
const deadZone = Math.fround(0.65)
const smallestNormal = 2 ** -126
const scaleBytes = 4

/**
 * A uniform quantizer with a dead zone, of which little is lost where values are spread like a Laplacian (Sullivan, "Efficient
 * scalar quantization of exponential and Laplacian random variables", 1996), its codes range-coded. Of each chunk of 4,096 values:
 *
 *     Δ = step · √(mean e²)        q = 0 where |e| < 0.65 Δ, else sign(e) ⌊|e| / Δ + ½⌋        s = q Δ
 *
 * Bytes, behind the header: f32 Δ of every chunk · the codes of all (adaptive-codes.ts). Each Δ is 0, which sends nothing of its
 * chunk, or a normal number. What is decoded is encoded again and must come to the same bytes, so that codes have one spelling.
 */
export function deadZoneQuantizer({ step, beta: decay }: DeadZoneConfig): Compressor {
  const hundredths = Math.round(step * 100)
  invariant(hundredths >= leastStep * 100 && hundredths <= mostStep * 100, 'step is between 0.05 and 1.5')
  const beta = Math.fround(decay)
  invariant(beta >= 0 && beta <= 1, 'beta is between 0 and 1')
  const relativeStep = Math.fround(hundredths / 100)
  const header: FormatHeader = { magic: 'MDZQ', version: 1, layout: [chunkSize, hundredths] }
  const largestCode = Math.ceil(Math.sqrt(chunkSize) / relativeStep)
  return {
    name: 'dead-zone',
    init: (count) => new Float32Array(count),
    maxBytes: (count) => mostBytes(count, relativeStep),
    compress: (delta, residual, into = new Float32Array(delta.length)): Compressed => {
      const count = delta.length
      invariant(residual.length === count && into.length === count, 'one error feedback a parameter')
      if (!accumulate(delta, residual, beta, into)) throw diverged()
      const quantized = { scales: new Float32Array(chunksOf(count)), codes: new Int16Array(count) }
      for (const [chunk, [from, to]] of chunkEdges(count).entries()) {
        const values = into.subarray(from, to)
        const scale = scaleOf(values, relativeStep)
        quantized.scales[chunk] = scale
        if (scale > 0) quantize(values, scale, quantized.codes.subarray(from, to))
      }
      return { bytes: write(header, quantized, mostBytes(count, relativeStep)), residual: into }
    },
    decompress: (bytes, count) => {
      checkHeader(bytes, header, count)
      const quantized = read(bytes, count, largestCode)
      const again = write(header, quantized, mostBytes(count, relativeStep))
      if (Buffer.compare(again, bytes) !== 0) throw malformed('codes that are spelled as no encoder does')
      const { scales, codes } = quantized
      const values = new Float32Array(count)
      for (const [chunk, [from, to]] of chunkEdges(count).entries())
        for (let index = from; index < to; index++) values[index] = codes[index]! * scales[chunk]!
      return { kind: 'dense', parameterCount: count, values }
    },
  }
}

/**
 * Bytes of values that are spread like a Laplacian, which averages take no more than: the entropy of the codes, and the scales. The
 * chance of a magnitude above m steps is e^(−√2 m step).
 */
export function expectedBytes(count: number, step: number): number {
  const beyond = (steps: number): number => Math.exp(-Math.SQRT2 * step * steps)
  const any = beyond(deadZone)
  const [more, further] = [beyond(1.5) / any, beyond(1)]
  const bits = entropy(any) + any * (1 + entropy(more) + (more * entropy(further)) / (1 - further))
  return Math.ceil((count * bits) / 8) + headerBytes + chunksOf(count) * scaleBytes
}

/** Of a decision, in bits. */
const entropy = (chance: number): number => -chance * Math.log2(chance) - (1 - chance) * Math.log2(1 - chance)

/**
 * By the inequality of Cauchy and Schwarz the magnitudes of n values are n / step steps together at most; a code of magnitude q
 * takes q + 2 decisions, and q is half a step more than its value at most.
 */
const mostBytes = (count: number, step: number): number => {
  const decisions = count * (2.5 + 1.001 / step)
  const codeBytes = Math.ceil((decisions * mostBitsOfDecision) / 8) + mostFlushBytes
  return headerBytes + chunksOf(count) * scaleBytes + codeBytes
}

const chunksOf = (count: number): number => Math.ceil(count / chunkSize)

const chunkEdges = (count: number): [number, number][] =>
  Array.from({ length: chunksOf(count) }, (_, chunk) => [
    chunk * chunkSize,
    Math.min((chunk + 1) * chunkSize, count),
  ])

/** Δ, an f32; the sum of squares is taken in double precision, in order. */
function scaleOf(values: Float32Array, step: number): number {
  let squares = 0
  for (let index = 0; index < values.length; index++) squares += values[index]! * values[index]!
  const scale = Math.fround(Math.fround(Math.sqrt(squares / values.length)) * step)
  return scale < smallestNormal ? 0 : scale
}

/** Writes the codes, and leaves what remains: e ← e − s. */
function quantize(values: Float32Array, scale: number, codes: Int16Array): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    const steps = Math.fround(Math.abs(value) / scale)
    if (steps < deadZone) continue
    const magnitude = Math.floor(Math.fround(steps + 0.5))
    const code = value < 0 ? -magnitude : magnitude
    codes[index] = code
    values[index] = value - Math.fround(code * scale)
  }
}

interface Quantized {
  /** Δ of each chunk. */
  readonly scales: Float32Array
  /** q of each value. */
  readonly codes: Int16Array
}

function write(header: FormatHeader, { scales, codes }: Quantized, most: number): Uint8Array {
  const bytes = new Uint8Array(most)
  writeHeader(bytes, header, codes.length)
  const view = viewOf(bytes)
  for (const [chunk, scale] of scales.entries())
    view.setFloat32(headerBytes + chunk * scaleBytes, scale, true)
  const end = encodeCodes(codes, bytes, headerBytes + scales.length * scaleBytes)
  return bytes.slice(0, end)
}

function read(bytes: Uint8Array, count: number, largestCode: number): Quantized {
  const scales = new Float32Array(chunksOf(count))
  const codesAt = headerBytes + scales.length * scaleBytes
  if (bytes.length < codesAt) throw malformed(`${bytes.length} bytes, and ${codesAt} of scales are due`)
  const view = viewOf(bytes)
  for (let chunk = 0; chunk < scales.length; chunk++) {
    const scale = view.getFloat32(headerBytes + chunk * scaleBytes, true)
    const isNormal = scale >= smallestNormal && scale <= mostStep * largestMagnitude
    if (!isNormal && !Object.is(scale, 0)) throw malformed(`a scale of ${scale}`)
    scales[chunk] = scale
  }
  const codes = new Int16Array(count)
  const end = decodeCodes(bytes, codesAt, codes, largestCode)
  if (end !== bytes.length) throw malformed(`${bytes.length - end} bytes behind the last code`)
  for (const [chunk, [from, to]] of chunkEdges(count).entries()) {
    const isSent = codes.subarray(from, to).some((code) => code !== 0)
    if (isSent !== scales[chunk]! > 0) throw malformed('a chunk with a scale or codes, and not with both')
  }
  return { scales, codes }
}
