import { endianness } from 'node:os'
import { blockwiseKernels } from './blockwise-kernels.ts'
import { KernelModules } from './kernel-modules.ts'
import { type Kernels, useKernels } from './kernels.ts'
import { rankKernels } from './rank-kernels.ts'
import { riceReader } from './rice-reader.ts'
import { signProductKernels } from './sign-product-kernels.ts'
import { sparseLoCoKernels } from './sparse-loco-kernels.ts'
import { vectorKernels } from './vector-kernels.ts'
import { isTooLarge, VectorMemory } from './vector-memory.ts'

export interface KernelStatus {
  readonly engine: 'wasm-simd' | 'plain'
  /** Why the plain code has to do. */
  readonly reason?: string
}

/** The kernels of a compiled module: 2.75 MiB of memory, beside that which vectors are given a place in. */
export function kernelsOf(compiled: WebAssembly.Module): Kernels {
  const modules = new KernelModules(compiled)
  return {
    ...vectorKernels(modules),
    ...rankKernels(modules),
    ...blockwiseKernels(modules),
    ...signProductKernels(modules),
    ...sparseLoCoKernels(modules),
    readRiceChunks: riceReader(modules),
    placesFor: (length, count) => placesIn(modules, length, count),
  }
}

function placesIn(modules: KernelModules, length: number, count: number): VectorMemory | null {
  if (isTooLarge(length, count)) return null
  try {
    return new VectorMemory(modules, length, count)
  } catch (error) {
    // The host has no such stretch of addresses left.
    if (error instanceof RangeError) return null
    throw error
  }
}

let loading: Promise<KernelStatus> | undefined

/**
 * From its end on, large vectors of this process go through the kernels; until then, and where they cannot be had, the plain
 * code gives the same bytes, slower. Never rejects. A few milliseconds, or seconds where they are compiled for the first time.
 */
export function loadKernels(): Promise<KernelStatus> {
  loading ??= load()
  return loading
}

async function load(): Promise<KernelStatus> {
  // Linear memory is little-endian, typed arrays are as the host is.
  if (endianness() !== 'LE') return { engine: 'plain', reason: 'this host is not little-endian' }
  try {
    const { compileKernels, kernelSources } = await import('./compile.ts')
    useKernels(kernelsOf(await compileKernels(await kernelSources())))
    return { engine: 'wasm-simd' }
  } catch (error) {
    return { engine: 'plain', reason: error instanceof Error ? error.message : String(error) }
  }
}
