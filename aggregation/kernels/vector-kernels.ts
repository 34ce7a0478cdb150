import { type ReadValues, readerOf } from '../coded-update.ts'
import { areas, forBlocks, type KernelModule, maxVectors, startsAddress } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'
import type { Kernels, WeightedTerm } from './kernels.ts'
import { passage } from './passage.ts'

/** Elements of a block where nothing but two or three vectors pass: small enough for the nearest caches. */
const streamLength = 16_384

/** Between vectors that are summed in one pass: a block, and a little more lest all of them fall into one set of the cache. */
const stride = streamLength + 64

type VectorKernels = Pick<
  Kernels,
  | 'accumulate'
  | 'difference'
  | 'differenceBothWays'
  | 'sum'
  | 'descend'
  | 'weightedSum'
  | 'allFinite'
  | 'packBf16'
  | 'roundAndPackBf16'
  | 'unpackBf16'
>

/** The elementwise kernels. */
export function vectorKernels(modules: KernelModules): VectorKernels {
  return {
    difference: (from, to, into) => {
      const module = modules.holding(into, from, to)
      const { exports, a, b } = module
      const [first, second, out] = [
        passage(module, from, a),
        passage(module, to, b),
        passage(module, into, a),
      ]
      forBlocks(into.length, streamLength, (start, end) => {
        const [x, y] = [first.load(start, end), second.load(start, end)]
        exports.difference(x, y, out.place(start), end - start)
        out.store(start, end)
      })
    },
    differenceBothWays: (from, to, into, back) => {
      const module = modules.holding(into, from, to)
      const { exports, a, b } = module
      const [first, second] = [passage(module, from, a), passage(module, to, b)]
      const [out, negative] = [passage(module, into, a), passage(module, back, b)]
      forBlocks(into.length, streamLength, (start, end) => {
        const [x, y] = [first.load(start, end), second.load(start, end)]
        exports.differenceBothWays(x, y, out.place(start), negative.place(start), end - start)
        out.store(start, end)
        negative.store(start, end)
      })
    },
    sum: (first, second, into) => {
      const module = modules.holding(into, first, second)
      const { exports, a, b } = module
      const [one, other, out] = [
        passage(module, first, a),
        passage(module, second, b),
        passage(module, into, a),
      ]
      forBlocks(into.length, streamLength, (start, end) => {
        const [x, y] = [one.load(start, end), other.load(start, end)]
        exports.sum(x, y, out.place(start), end - start)
        out.store(start, end)
      })
    },
    accumulate: (delta, residual, beta, into, limit) => {
      const module = modules.holding(into, residual, delta)
      const { exports, a, b } = module
      const [d, e, out] = [passage(module, delta, a), passage(module, residual, b), passage(module, into, b)]
      let isWithin = 1
      forBlocks(into.length, streamLength, (start, end) => {
        const [x, y] = [d.load(start, end), e.load(start, end)]
        isWithin &= exports.accumulate(x, y, out.place(start), beta, limit, end - start)
        out.store(start, end)
      })
      return isWithin === 1
    },
    descend: (theta, delta, alpha) => {
      const module = modules.holding(delta, theta)
      const [t, d] = [passage(module, theta, module.a), passage(module, delta, module.b)]
      forBlocks(theta.length, streamLength, (start, end) => {
        module.exports.descend(t.load(start, end), d.load(start, end), alpha, end - start)
        t.store(start, end)
      })
    },
    weightedSum: (into, terms) => {
      const sums = terms.map((term) => ({ ...term, read: readerOf(term.update), next: 0 }))
      const dense = sums.filter(({ update, read }) => update.kind === 'dense' && read === null)
      const module = modules.holding(into, ...dense.map(({ update }) => update.values))
      const out = passage(module, into, module.a)
      const memory = new Float32Array(module.memory.buffer)
      forBlocks(into.length, streamLength, (start, end) => {
        const address = out.place(start)
        memory.fill(0, address / 4, address / 4 + end - start)
        for (let at = 0; at < sums.length; ) {
          const taken = addDense(module, sums, at, address, start, end)
          if (taken === 0) addSparse(module, sums[at]!, address, start, end)
          at += Math.max(taken, 1)
        }
        out.store(start, end)
      })
    },
    allFinite: (values) => {
      const module = modules.holding(values)
      const given = passage(module, values, module.a)
      for (let start = 0; start < values.length; start += streamLength) {
        const end = Math.min(start + streamLength, values.length)
        if (module.exports.allFinite(given.load(start, end), end - start) === 0) return false
      }
      return true
    },
    packBf16: (values, into) => {
      const module = modules.holding(values)
      const { exports, a, bytes } = module
      const given = passage(module, values, a)
      forBlocks(values.length, streamLength, (start, end) => {
        exports.packBf16(given.load(start, end), areas.b, end - start)
        into.set(bytes.subarray(areas.b, areas.b + 2 * (end - start)), 2 * start)
      })
    },
    roundAndPackBf16: (values, into) => {
      const module = modules.holding(values)
      const { exports, a, bytes } = module
      const given = passage(module, values, a)
      forBlocks(values.length, streamLength, (start, end) => {
        exports.roundAndPackBf16(given.load(start, end), areas.b, end - start)
        given.store(start, end)
        into.set(bytes.subarray(areas.b, areas.b + 2 * (end - start)), 2 * start)
      })
    },
    unpackBf16: (packed, into) => {
      const module = modules.holding(into)
      const { exports, b, bytes } = module
      const out = passage(module, into, b)
      forBlocks(into.length, streamLength, (start, end) => {
        bytes.set(packed.subarray(2 * start, 2 * end), areas.a)
        exports.unpackBf16(areas.a, out.place(start), end - start)
        out.store(start, end)
      })
    },
  }
}

interface Summand extends WeightedTerm {
  /** Of a dense update that stays as it was sent. */
  readonly read: ReadValues | null
  /** Of a sparse update: the first entry that is not added yet. */
  next: number
}

/** Adds the dense updates from `at` on to what is at `into`, up to the first sparse one or as many as fit; how many. */
function addDense(
  module: KernelModule,
  sums: readonly Summand[],
  at: number,
  into: number,
  start: number,
  end: number,
): number {
  const { exports, many, weights, starts } = module
  let taken = 0
  for (; taken < maxVectors && at + taken < sums.length; taken++) {
    const { update, weight, read } = sums[at + taken]!
    if (update.kind !== 'dense') break
    const block = many.subarray(taken * stride, taken * stride + end - start)
    const address = read === null ? module.addressOf(update.values) : null
    if (read !== null) read(start, block)
    else if (address === null) block.set(update.values.subarray(start, end))
    starts[taken] = address === null ? block.byteOffset : address + 4 * start
    weights[taken] = weight
  }
  if (taken > 0) exports.addScaled(into, startsAddress, areas.work, taken, end - start)
  return taken
}

/** Adds the entries of a sparse update that lie before `end`. */
function addSparse(
  { exports, indices, c }: KernelModule,
  summand: Summand,
  into: number,
  start: number,
  end: number,
): void {
  const { update, weight, next } = summand
  if (update.kind !== 'sparse') return
  const last = firstFrom(update.indices, end, next)
  indices.set(update.indices.subarray(next, last))
  c.set(update.values.subarray(next, last))
  exports.addScaledAt(into, areas.b, areas.c, last - next, start, weight)
  summand.next = last
}

/** The first position from `from` on whose index is at least `bound`, of ascending indices. */
function firstFrom(indices: Uint32Array, bound: number, from: number): number {
  let low = from
  let high = indices.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (indices[middle]! < bound) low = middle + 1
    else high = middle
  }
  return low
}
