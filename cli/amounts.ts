import type { Wei } from '../protocol/ids.ts'

const base = 10n ** 18n

/** Tokens as people read them: at most four decimals, cut, never rounded up. */
export function tokens(amount: Wei | string): string {
  const wei = BigInt(amount)
  const [sign, size] = wei < 0n ? ['-', -wei] : ['', wei]
  const cut = (size % base).toString().padStart(18, '0').slice(0, 4).replace(/0+$/, '')
  return `${sign}${size / base}${cut === '' ? '' : `.${cut}`}`
}

/** 1234567 → 1.2 MB (decimal). */
export function bytes(count: number): string {
  if (count < 1e3) return `${count} B`
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`
  return `${(count / 1e9).toFixed(2)} GB`
}
