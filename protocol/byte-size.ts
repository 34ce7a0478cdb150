import { z } from 'zod'

const units = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
])

/** 2⁵⁰: a petabyte, far above any memory or disk here, and exact. */
const maxBytes = 2 ** 50

const amount = /^(\d{1,16}(?:\.\d{1,6})?) ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/

/** Whole bytes; written as a number or as text with its unit ("2GiB", "1.5 MB"), kept as a number. */
export const byteSize = z.codec(
  z.union([
    z.int().min(0).max(maxBytes),
    z
      .string()
      .max(32)
      .regex(amount, 'a number of bytes, or text like "2GiB"')
      .describe('text like `2GiB` or `1.5 MB`'),
  ]),
  z.int().min(0).max(maxBytes),
  {
    decode: (value) => {
      if (typeof value === 'number') return value
      const [, number, unit] = amount.exec(value)!
      return Math.round(Number(number) * units.get(unit!)!)
    },
    encode: (value) => value,
  },
)

const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes as people read them: three digits and a binary unit, "1.90 GiB". */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(binary.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 2 ** (10 * power)
  return `${power === 0 ? Math.round(value) : value.toPrecision(3)} ${binary[power]}`
}
