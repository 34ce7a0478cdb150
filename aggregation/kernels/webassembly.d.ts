/** Of the WebAssembly interface (W3C WebAssembly JavaScript Interface 2.0) what the kernels use; TypeScript has it in `dom`. */
declare namespace WebAssembly {
  type Bytes = Uint8Array<ArrayBuffer>
  class Module {
    /** Never: it has no members, and without one any object would do. */
    private readonly compiled: never
  }
  class Instance {
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } })
    readonly exports: Readonly<Record<string, unknown>>
  }
  class Memory {
    constructor(pages: { readonly initial: number; readonly maximum: number })
    readonly buffer: ArrayBuffer
  }
  interface Global {
    readonly value: number
  }
  function validate(bytes: Bytes): boolean
  function compile(bytes: Bytes): Promise<Module>
}
