import type { Vectors } from '../vectors.ts'
import { areaPages, type KernelModule, pageBytes } from './kernel-module.ts'
import type { KernelModules } from './kernel-modules.ts'

/** Of WebAssembly's four gibibytes, without the last page, whose end would be address 0. */
const mostPages = 65_535 - areaPages

/** Bytes between two vectors: what reads one and writes the other at the same place of a page would wait for itself. */
const spacing = 1_088

/**
 * Places for a few vectors of one length in a linear memory of their own, where the kernels work on them without copying.
 *
 * The memory is plain and never grows. Growth would detach every view, and a shared one, whose views survive it, is copied to
 * and from half as fast (V8 copies it word by word) and is refused by WebCrypto and TextDecoder. Its size is reserved at once,
 * and takes memory only where it has been written to.
 *
 * A place is given back by `release`, or when nobody can reach the vector any more; so a view of part of a vector must not
 * outlive the turn of the event loop it was made in, unless the vector does. The memory itself goes with this object and the last
 * vector. What posts a vector to a thread posts a copy (`slice`): structured cloning would take the whole memory.
 */
export class VectorMemory implements Vectors {
  readonly #module: KernelModule
  readonly #length: number
  readonly #free: number[]
  /** By vector: where it begins. */
  readonly #taken = new WeakMap<Float32Array, number>()
  readonly #unreachable = new FinalizationRegistry<number>((address) => this.#free.push(address))

  /** Throws RangeError where so much memory cannot be had. */
  constructor(modules: KernelModules, length: number, count: number) {
    const bytes = Math.ceil(length / 16) * 64 + spacing
    this.#length = length
    this.#module = modules.open(Math.ceil((count * bytes) / pageBytes))
    this.#free = Array.from({ length: count }, (_, index) => areaPages * pageBytes + index * bytes).reverse()
  }

  take(length: number): Float32Array {
    const address = length > 0 && length <= this.#length ? this.#free.pop() : undefined
    if (address === undefined) return new Float32Array(length)
    const vector = new Float32Array(this.#module.memory.buffer, address, length)
    this.#taken.set(vector, address)
    this.#unreachable.register(vector, address, vector)
    return vector
  }

  release(vector: Float32Array): void {
    const address = this.#taken.get(vector)
    if (address === undefined) return
    this.#taken.delete(vector)
    this.#unreachable.unregister(vector)
    this.#free.push(address)
  }
}

/** `count` vectors of `length` need more than a linear memory can have. */
export const isTooLarge = (length: number, count: number): boolean =>
  count * (4 * length + 64 + spacing) > mostPages * pageBytes
