import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type Compressors, snappyUncompress } from 'hyparquet'
import { hadoopLz4, lz4Block } from './lz4-block.ts'

/** What a page may unpack to, whatever it says: as much as a row group may (`parquet-table.ts`). */
export const maxPageBytes = 128 * 1024 * 1024

type Codec = (bytes: Uint8Array, length: number) => Uint8Array
type Unpack = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array

/** Refuses a length that nothing should be made of. */
const limited =
  (codec: Codec): Codec =>
  (bytes, length) => {
    if (!(length >= 0 && length <= maxPageBytes)) throw new Error(`a page of ${length} bytes`)
    return length === 0 ? new Uint8Array(0) : codec(bytes, length)
  }

/** What is longer than the page says is refused before it is made. The reader wants a buffer of its own. */
const unpacked =
  (unpack: Unpack): Codec =>
  (bytes, length) =>
    new Uint8Array(unpack(bytes, { maxOutputLength: length }))

const snappy: Codec = (bytes, length) => {
  const made = new Uint8Array(length)
  snappyUncompress(bytes, made)
  return made
}

/** Older writers framed blocks as Hadoop does, others did not; the format (parquet-format, Compression.md) has both. */
const eitherLz4: Codec = (bytes, length) => {
  try {
    return hadoopLz4(bytes, length)
  } catch {
    return lz4Block(bytes, length)
  }
}

/**
 * Every codec of Parquet but LZO. Each throws where the bytes are cut short or not its own; the reader compares the
 * length with what the page says.
 */
export const parquetCodecs: Readonly<Compressors> = {
  SNAPPY: limited(snappy),
  GZIP: limited(unpacked(gunzipSync)),
  BROTLI: limited(unpacked(brotliDecompressSync)),
  ZSTD: limited(unpacked(zstdDecompressSync)),
  LZ4: limited(eitherLz4),
  LZ4_RAW: limited(lz4Block),
}
