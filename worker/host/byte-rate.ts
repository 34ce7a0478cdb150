import { MurmurError } from '../../protocol/errors.ts'

/** Bits are counted in thousands, as lines are sold; bytes too, unless they say that they are not (KiB, MiB). */
const bytesPerUnit = new Map([
  ['kbps', 1e3 / 8],
  ['kbit/s', 1e3 / 8],
  ['mbps', 1e6 / 8],
  ['mbit/s', 1e6 / 8],
  ['gbps', 1e9 / 8],
  ['gbit/s', 1e9 / 8],
  ['kb/s', 1e3],
  ['mb/s', 1e6],
  ['gb/s', 1e9],
  ['kib/s', 2 ** 10],
  ['mib/s', 2 ** 20],
  ['gib/s', 2 ** 30],
])

/**
 * Bytes a second from `20Mbps` (20 million bits), `2.5MB/s` (bytes) or `2MiB/s`.
 * @param floor the slowest that is of use, in bytes a second
 * @throws MurmurError RATE_INVALID (exit `usage`)
 */
export function parseByteRate(text: string, option: string, floor: number): number {
  const [, amount = '', unit = ''] = /^\s*(\d{1,6}(?:\.\d{1,6})?)\s*([A-Za-z]+(?:\/s)?)\s*$/.exec(text) ?? []
  const scale = bytesPerUnit.get(unit.toLowerCase())
  const rate = scale === undefined ? Number.NaN : Math.round(Number(amount) * scale)
  if (rate >= floor) return rate
  throw new MurmurError('RATE_INVALID', {
    message: Number.isNaN(rate)
      ? `${option} ${text.slice(0, 40)} is not a rate`
      : `${option} ${text} is too slow to take part in a round`,
    next: `write it as 20Mbps (bits) or 2.5MB/s (bytes), at least ${Math.ceil((floor * 8) / 1e3)}kbps`,
    exit: 'usage',
  })
}
