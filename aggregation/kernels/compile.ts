import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AssembleReply, AssembleRequest } from './assemble.ts'
import { areaPages } from './kernel-module.ts'

/** AssemblyScript by file name; `index.ts` is what the module exports. */
export type Sources = ReadonlyMap<string, string>

const folder = path.join(import.meta.dirname, 'assembly')
const defaultCache = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'murmur')

/** No relaxed SIMD: its results may differ between processors. */
const compilerOptions = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--disable', 'relaxed-simd'],
  ...['--importMemory', '--initialMemory', String(areaPages)],
]

/** A few seconds usually; twenty were seen on two very busy cores. */
const compileMs = 120_000

export async function kernelSources(): Promise<Sources> {
  const sources = new Map<string, string>()
  for (const name of (await readdir(folder)).sort())
    sources.set(name, await readFile(path.join(folder, name), 'utf8'))
  return sources
}

/**
 * The module of these sources: from the folder `cache`, or compiled and put there. The file is named by the hash of all that
 * goes into it, so a stale one is never read; a folder that cannot be written to costs a compilation at every start.
 * Needs no network.
 */
export async function compileKernels(sources: Sources, cache = defaultCache): Promise<WebAssembly.Module> {
  const file = path.join(cache, fileName(sources))
  const cached = await readFile(file).catch(() => undefined)
  if (cached !== undefined && WebAssembly.validate(cached)) return WebAssembly.compile(cached)
  const binary = await assemble(sources)
  await keep(file, binary).catch(() => undefined)
  return WebAssembly.compile(binary)
}

/** Names the module that these sources, this compiler and these options make. */
export function fileName(sources: Sources): string {
  const { version } = createRequire(import.meta.url)('assemblyscript/package.json') as { version: string }
  const hash = createHash('sha256').update(JSON.stringify([version, compilerOptions, [...sources]]))
  return `kernels-${hash.digest('hex').slice(0, 32)}.wasm`
}

/** Compiles in a thread of its own: it takes seconds, and a node that starts has others to answer. */
async function assemble(sources: Sources): Promise<Uint8Array<ArrayBuffer>> {
  const request: AssembleRequest = { sources, options: compilerOptions }
  const thread = new Worker(new URL('./assemble.ts', import.meta.url), { workerData: request })
  try {
    const signal = AbortSignal.timeout(compileMs)
    const [reply] = (await once(thread, 'message', { signal })) as [AssembleReply]
    if ('fault' in reply) throw new Error(`the kernels do not compile: ${reply.fault}`)
    return reply.binary
  } finally {
    await thread.terminate()
  }
}

/** Readers see the whole file or none, whoever else writes it at the same time. */
async function keep(file: string, binary: Uint8Array): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const temporary = `${file}.${randomUUID()}`
  try {
    await writeFile(temporary, binary)
    await rename(temporary, file)
  } finally {
    await rm(temporary, { force: true })
  }
}
