import { kernelsFor } from '../kernels/kernels.ts'
import type { Signs } from '../sign-update.ts'

/**
 * ⟨xᵢ, xⱼ⟩ of every pair, row-major [R, R], of updates of signs in blocks of one size: Σ over blocks of sᵢ sⱼ (n − 2 d), d being
 * how many of a block's n signs differ, summed in double precision in block order. R² / 2 passes over a bit a parameter.
 */
export function signProducts(updates: readonly Signs[]): Float64Array {
  const count = updates.length
  const products = new Float64Array(count * count)
  const { parameterCount } = updates[0]!
  if (kernelsFor(parameterCount)?.signProducts(updates, products) !== true) addPlainly(updates, products)
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < row; column++)
      products[row * count + column] = products[column * count + row]!
  }
  return products
}

/** Of the pairs of a row and a column not before it. */
function addPlainly(updates: readonly Signs[], products: Float64Array): void {
  const { parameterCount, blockSize } = updates[0]!
  const count = updates.length
  const views = updates.map(({ records }) => new DataView(records.buffer, records.byteOffset))
  let offset = 0
  for (let done = 0; done < parameterCount; done += blockSize) {
    const length = Math.min(blockSize, parameterCount - done)
    const end = offset + 4 + Math.ceil(length / 8)
    const scales = views.map((view) => view.getFloat32(offset, true))
    for (let row = 0; row < count; row++) {
      for (let column = row; column < count; column++) {
        let differing = 0
        for (let at = offset + 4; at < end; at++)
          differing += ones[updates[row]!.records[at]! ^ updates[column]!.records[at]!]!
        const place = row * count + column
        products[place] = products[place]! + scales[row]! * scales[column]! * (length - 2 * differing)
      }
    }
    offset = end
  }
}

/** Of every byte. */
const ones = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
