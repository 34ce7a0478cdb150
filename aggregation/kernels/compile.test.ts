import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compileKernels, fileName } from './compile.ts'
import { areaPages } from './kernel-module.ts'

const sources = new Map([['index.ts', 'export function six(): i32 { return 6 }']])
const memory = new WebAssembly.Memory({ initial: areaPages, maximum: areaPages })
const works = (module: WebAssembly.Module) => {
  const { six } = new WebAssembly.Instance(module, { env: { memory } }).exports as { six: () => number }
  expect(six()).toBe(6)
}

test('a damaged file in the cache is compiled anew, a good one is read, and nothing else is left there', async () => {
  const cache = await mkdtemp(path.join(tmpdir(), 'murmur-kernels-'))
  try {
    const file = path.join(cache, fileName(sources))
    await writeFile(file, 'not a module')
    works(await compileKernels(sources, cache))
    const written = await stat(file, { bigint: true })
    works(await compileKernels(sources, cache))
    expect((await stat(file, { bigint: true })).mtimeNs).toBe(written.mtimeNs)
    expect(await readdir(cache)).toEqual([path.basename(file)])
  } finally {
    await rm(cache, { recursive: true })
  }
})

test('a cache that cannot be written to does not matter', async () => {
  works(await compileKernels(sources, path.join(import.meta.filename, 'no-folder')))
})

test('what the compiler refuses is said', async () => {
  const wrong = new Map([['index.ts', 'export function six(): i32 { return seven }']])
  await expect(compileKernels(wrong, import.meta.filename)).rejects.toThrow(/Cannot find name 'seven'/)
})

test('other sources have another name', () => {
  expect(fileName(new Map([['index.ts', '']]))).not.toBe(fileName(sources))
})
