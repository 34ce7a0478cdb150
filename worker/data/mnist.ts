import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { invariant } from '../../protocol/errors.ts'
import type { RowSource } from './row-source.ts'

const pixels = 28 * 28

/**
 * The built-in images: 10,000 handwritten digits of MNIST (LeCun, Cortes & Burges), grey, 28 × 28, which come with the
 * package `mnist`, a file a digit; one file at a time is in memory. Nothing is downloaded.
 */
export function mnistRows(): RowSource {
  const main = createRequire(import.meta.url).resolve('mnist')
  return {
    name: 'mnist',
    shape: [1, 28, 28],
    type: 'u8',
    columns: null,
    async read(visit) {
      let row = 0
      const image = new Uint8Array(pixels)
      for (let digit = 0; digit < 10; digit++) {
        const text = await readFile(join(dirname(main), 'digits', `${digit}.json`), 'utf8')
        const { data } = JSON.parse(text) as { readonly data: readonly number[] }
        invariant(data.length % pixels === 0, 'a digit’s file holds whole images')
        for (let start = 0; start < data.length; start += pixels) {
          // The package has them as v / 255 to three places.
          for (let at = 0; at < pixels; at++) image[at] = Math.round(data[start + at]! * 255)
          visit(image, [digit], ++row)
        }
      }
    },
  }
}
