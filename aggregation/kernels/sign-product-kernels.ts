import { areas } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels } from './kernels.ts'

/** Records pass here, from area b up to the decoded values; sums in the work area. */
const recordsRoom = areas.decoded - areas.b

/** More have no room for one block of each. */
const mostMembers = 1024

/** Inner products of updates of signs. */
export function signProductKernels({ anywhere }: KernelModules): Pick<Kernels, 'signProducts'> {
  const { exports, bytes, memory } = anywhere
  const sums = new Float64Array(memory.buffer, areas.work, mostMembers)
  return {
    signProducts: (updates, products) => {
      const count = updates.length
      if (count > mostMembers) return false
      const { parameterCount, blockSize } = updates[0]!
      const recordBytes = 4 + Math.ceil(blockSize / 8)
      const blocks = Math.max(1, Math.floor(recordsRoom / count / recordBytes))
      const stride = blocks * recordBytes
      const step = blocks * blockSize
      for (let done = 0; done < parameterCount; done += step) {
        const n = Math.min(step, parameterCount - done)
        const from = (done / blockSize) * recordBytes
        for (const [member, { records }] of updates.entries())
          bytes.set(records.subarray(from, from + stride), areas.b + member * stride)
        for (let row = 0; row < count; row++) {
          const rest = products.subarray(row * count + row, (row + 1) * count)
          sums.set(rest)
          const start = areas.b + row * stride
          exports.addSignProducts(start, stride, count - row, n, blockSize, areas.work)
          rest.set(sums.subarray(0, count - row))
        }
      }
      return true
    },
  }
}
