import { expect, test } from 'vitest'
import { parseByteRate } from './byte-rate.ts'

test.each([
  ['20Mbps', 2_500_000],
  ['20 mbit/s', 2_500_000],
  ['2.5MB/s', 2_500_000],
  ['2MiB/s', 2_097_152],
  ['800kbps', 100_000],
  ['1Gbps', 125_000_000],
])('%s', (text, bytesPerSecond) => {
  expect(parseByteRate(text, '--max-upload', 65_536)).toBe(bytesPerSecond)
})

test.each(['', '20', 'Mbps', '-1Mbps', '1e9Mbps', '20Mb', '20Tbps', 'NaNMbps', '500kbps', '0Gbps'])(
  'no rate, or none to work with: %s',
  (text) => {
    expect(() => parseByteRate(text, '--max-upload', 65_536)).toThrow(
      expect.objectContaining({
        code: 'RATE_INVALID',
        exit: 'usage',
        next: expect.stringContaining('525kbps'),
      }),
    )
  },
)
