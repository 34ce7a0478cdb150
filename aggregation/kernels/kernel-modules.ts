import { areaPages, KernelModule } from './kernel-module.ts'

/**
 * The instances of the kernels in this process: one for vectors that lie anywhere, and one for each memory that vectors have
 * been given a place in, which goes with the last of them.
 */
export class KernelModules {
  /** For vectors that lie anywhere. */
  readonly anywhere: KernelModule
  readonly #compiled: WebAssembly.Module
  readonly #byMemory = new WeakMap<ArrayBufferLike, KernelModule>()

  constructor(compiled: WebAssembly.Module) {
    this.#compiled = compiled
    this.anywhere = new KernelModule(compiled)
  }

  /** An instance with `pages` of memory behind its areas. Throws RangeError. */
  open(pages: number): KernelModule {
    const module = new KernelModule(this.#compiled, areaPages + pages)
    this.#byMemory.set(module.memory.buffer, module)
    return module
  }

  /** The instance whose memory the first of the vectors lies in that lies in any. */
  holding(...vectors: readonly Float32Array[]): KernelModule {
    for (const { buffer } of vectors) {
      const module = this.#byMemory.get(buffer)
      if (module !== undefined) return module
    }
    return this.anywhere
  }
}
