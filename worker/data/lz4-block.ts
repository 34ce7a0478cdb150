/**
 * One LZ4 block (github.com/lz4/lz4, doc/lz4_Block_format.md). Every copy is checked against both ends before it is made.
 * @returns exactly `length` bytes
 * @throws Error where the block is cut short, reaches outside of what is there, or gives another length.
 */
export function lz4Block(block: Uint8Array, length: number): Uint8Array {
  const made = new Uint8Array(length)
  let [from, to] = [0, 0]
  const byte = (): number => {
    const value = block[from++]
    if (value === undefined) throw new Error('an LZ4 block ends too early')
    return value
  }
  /** Four bits, and as many further bytes as are full. */
  const extended = (bits: number): number => {
    let total = bits
    if (bits < 15) return total
    for (let more = 255; more === 255; total += more) more = byte()
    return total
  }
  while (from < block.length) {
    const token = byte()
    const literals = extended(token >> 4)
    if (literals > block.length - from || literals > length - to)
      throw new Error('an LZ4 block runs past its end')
    made.set(block.subarray(from, from + literals), to)
    from += literals
    to += literals
    // The last sequence has no copy.
    if (from === block.length) break
    const distance = byte() + 256 * byte()
    const copied = extended(token & 15) + 4
    if (distance === 0 || distance > to) throw new Error('an LZ4 block copies from before its start')
    if (copied > length - to) throw new Error('an LZ4 block runs past its end')
    // What is copied may overlap with where it goes: byte by byte.
    for (const end = to + copied; to < end; to++) made[to] = made[to - distance]!
  }
  if (to !== length) throw new Error(`an LZ4 block gives ${to} bytes instead of ${length}`)
  return made
}

/**
 * Blocks as Hadoop frames them: the lengths of what comes out and of what follows, big-endian, then the block.
 * @throws Error as `lz4Block`.
 */
export function hadoopLz4(bytes: Uint8Array, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const made = new Uint8Array(length)
  let [from, to] = [0, 0]
  while (from < bytes.length) {
    if (bytes.length - from < 8) throw new Error('an LZ4 frame ends too early')
    const [out, packed] = [view.getUint32(from), view.getUint32(from + 4)]
    from += 8
    if (packed > bytes.length - from || out > length - to) throw new Error('an LZ4 frame runs past its end')
    made.set(lz4Block(bytes.subarray(from, from + packed), out), to)
    from += packed
    to += out
  }
  if (to !== length) throw new Error(`LZ4 frames give ${to} bytes instead of ${length}`)
  return made
}
