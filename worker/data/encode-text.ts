import { maxDataBytes, refused } from './open-file.ts'
import { tooLarge } from './read-text.ts'
import type { TextTokenizer } from './tokenizer.ts'

/** Of text that is encoded at once. */
const pieceBytes = 64 * 1024
const newline = 10

/**
 * Token ids of a text, little-endian, of 2 bytes each where the vocabulary allows it. It is encoded in pieces that end
 * before a line end after a letter or digit: there the splitting rules of GPT-2 and its descendants cut anyway.
 * @throws MurmurError DATA_NOT_TEXT: not UTF-8; DATA_TOKEN_UNKNOWN: what the tokenizer has no token for; DATA_TOO_LARGE.
 */
export function encodeText(
  text: Uint8Array,
  { vocabulary, encode }: TextTokenizer,
): { readonly bytes: Uint8Array; readonly width: 2 | 4 } {
  const width = vocabulary <= 2 ** 16 ? 2 : 4
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const parts: Uint8Array[] = []
  let length = 0
  for (let start = 0; start < text.length; ) {
    const end = pieceEnd(text, start)
    let piece: string
    try {
      piece = decoder.decode(text.subarray(start, end))
    } catch (cause) {
      throw refused('DATA_NOT_TEXT', `byte ${start} and after: not UTF-8`, 'save the text as UTF-8', cause)
    }
    const ids = encode(piece)
    const part = new Uint8Array(ids.length * width)
    const view = new DataView(part.buffer)
    for (const [index, id] of ids.entries()) {
      if (!(id >= 0 && id < vocabulary))
        throw refused('DATA_TOKEN_UNKNOWN', `byte ${start} and after: no token`, 'use a tokenizer of bytes')
      if (width === 2) view.setUint16(index * 2, id, true)
      else view.setUint32(index * 4, id, true)
    }
    parts.push(part)
    length += part.length
    if (length > maxDataBytes) throw tooLarge('the text as tokens', length)
    start = end
  }
  return { bytes: Buffer.concat(parts, length), width }
}

/** The first good place to cut after a piece's usual length; else the end of the text, or of a character. */
function pieceEnd(text: Uint8Array, start: number): number {
  const usual = start + pieceBytes
  if (usual >= text.length) return text.length
  const last = Math.min(text.length, usual + pieceBytes)
  for (let at = usual; at < last; at++) if (text[at] === newline && isWord(text[at - 1]!)) return at
  let end = last
  while (end < text.length && (text[end]! & 0xc0) === 0x80) end++
  return end
}

/** A letter or digit of ASCII. */
const isWord = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
