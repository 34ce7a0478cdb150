import { expect, test } from 'vitest'
import { encodeText } from './encode-text.ts'
import { knownPatterns } from './known-patterns.ts'
import { parseTokenizer } from './tokenizer.ts'

/* A tokenizer.json comes from strangers: what it may ask for. The reference implementation's tokens are in tokens.test.ts. */

const letters = { a: 0, b: 1, '▁': 2, c: 3 }
const plain = {
  ...{ model: { type: 'BPE', vocab: letters, merges: [] }, added_tokens: [] },
  ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } },
}
const parse = (changed: object) => parseTokenizer(Buffer.from(JSON.stringify({ ...plain, ...changed })))
const replace = (pattern: object, content: string) => ({ type: 'Replace', pattern, content })
const sequence = (...normalizers: unknown[]) => ({ type: 'Sequence', normalizers })
const nested = (depth: number): object => (depth === 0 ? { type: 'NFC' } : sequence(nested(depth - 1)))
const split = (source: string) => ({
  type: 'Split',
  pattern: { Regex: source },
  behavior: 'Isolated',
  invert: false,
})

test.each<[string, object]>([
  ['a pattern of nested repetitions', { decoder: replace({ Regex: '(a+)+$' }, '') }],
  ['a pattern of its own to split by', { pre_tokenizer: split('.') }],
  ['no pattern', { pre_tokenizer: { type: 'Split' } }],
  ['two patterns in one', { pre_tokenizer: { type: 'Split', pattern: { String: 'a', Regex: '(a+)+$' } } }],
  ['a text to find everywhere', { normalizer: replace({ String: '' }, '') }],
  ['more than what it replaces', { normalizer: replace({ String: 'a' }, 'aa') }],
  ['more than what it replaces by a pattern', { normalizer: replace({ Regex: ' {2,}' }, 'aa') }],
  ['sequences within sequences', { normalizer: nested(3) }],
  ['a long sequence', { normalizer: sequence(...Array.from({ length: 9 }, () => ({ type: 'NFC' }))) }],
  [
    'long sequences of sequences',
    { normalizer: sequence(...Array.from({ length: 5 }, () => sequence({ type: 'NFC' }, { type: 'NFD' }))) },
  ],
  ['a sequence without parts', { normalizer: { type: 'Sequence' } }],
  ['nothing in a sequence', { decoder: { type: 'Sequence', decoders: [null] } }],
  ['an unknown kind', { normalizer: { type: 'Eval' } }],
  ['a kind of another place', { normalizer: { type: 'ByteLevel' } }],
  ['no kind', { normalizer: {} }],
  [
    'bytes of bytes',
    { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'ByteLevel' }, { type: 'ByteLevel' }] } },
  ],
  ['pieces of no length', { pre_tokenizer: { type: 'FixedLength', length: 0 } }],
  ['a space that becomes a word', { pre_tokenizer: { type: 'Metaspace', replacement: 'word' } }],
  ['a sign that is everywhere', { decoder: { type: 'Metaspace', replacement: '' } }],
  ['a suffix that is everywhere', { decoder: { type: 'BPEDecoder', suffix: '' } }],
  ['a long beginning', { normalizer: { type: 'Prepend', prepend: 'a'.repeat(65) } }],
  ['a token like a book', { model: { ...plain.model, vocab: { ['a'.repeat(1025)]: 0 } } }],
  [
    'many long added tokens',
    { added_tokens: Array.from({ length: 600 }, (_, id) => ({ id, content: `${id}${'a'.repeat(1000)}` })) },
  ],
  [
    'many long tokens of Unigram',
    {
      model: {
        ...{ type: 'Unigram', unk_id: 0 },
        vocab: Array.from({ length: 2200 }, (_, id) => [`${id}${'a'.repeat(1000)}`, -1]),
      },
    },
  ],
  ['an added token like a book', { added_tokens: [{ id: 1, content: 'a'.repeat(1025) }] }],
  ['an unknown token like a book', { model: { ...plain.model, unk_token: 'a'.repeat(1025) } }],
])('%s: refused', (_, changed) => {
  expect(() => parse(changed)).toThrow(expect.objectContaining({ code: 'TOKENIZER_INVALID', exit: 'usage' }))
})

test('a refused pattern is named', () => {
  expect(() => parse({ pre_tokenizer: split('(x+x+)+y') })).toThrow('Split by the pattern "(x+x+)+y"')
})

test('published chains are accepted: Llama 2, Gemma, T5, DeepSeek Coder, BERT', () => {
  const sign = { String: '▁' }
  const llama = parse({
    normalizer: sequence({ type: 'Prepend', prepend: '▁' }, replace({ String: ' ' }, '▁')),
    decoder: {
      type: 'Sequence',
      decoders: [
        ...[replace(sign, ' '), { type: 'ByteFallback' }, { type: 'Fuse' }],
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
  })
  expect(llama.encode('ab c')).toEqual([2, 0, 1, 2, 3])
  expect(llama.decode([2, 0, 1, 2, 3])).toBe('ab c')
  const gemma = { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false }
  parse({ pre_tokenizer: gemma, normalizer: replace({ String: ' ' }, '▁') })
  parse({
    normalizer: sequence({ type: 'Precompiled', precompiled_charsmap: '' }, replace({ Regex: ' {2,}' }, '▁')),
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  })
  const steps = ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+'].map(split)
  parse({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [...steps, { type: 'Digits', individual_digits: true }, { type: 'ByteLevel' }],
    },
  })
  parse({
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: { type: 'WordPiece', vocab: letters, unk_token: 'c', continuing_subword_prefix: '##' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  })
})

test('every known pattern is one that the engine reads, and loses nothing of a text', () => {
  const text = "It's  the whale's,\r\n\r\n 12345 naïve 北京ひらHTMLParser \u0301\t…!? x\n   "
  for (const source of knownPatterns) {
    const vocab = Object.fromEntries([...new Set(text)].map((each, index) => [each, index]))
    const model = { type: 'BPE', vocab, merges: [] }
    const tokenizer = parse({ model, pre_tokenizer: split(source) })
    expect(tokenizer.decode(tokenizer.encode(text)), source).toBe(text)
  }
})

test('text that BPE has no token for is refused, not left out', () => {
  for (const more of [
    {},
    { unk_token: null },
    { unk_token: null, fuse_unk: true },
    { byte_fallback: true },
  ]) {
    const tokenizer = parse({ model: { ...plain.model, ...more } })
    expect([...encodeText(Buffer.from('abc'), tokenizer).bytes]).toEqual([0, 0, 1, 0, 3, 0])
    expect(() => encodeText(Buffer.from('abxyzc'), tokenizer)).toThrow(
      expect.objectContaining({ code: 'DATA_TOKEN_UNKNOWN' }),
    )
  }
  const unknown = parse({ model: { ...plain.model, unk_token: 'c' } })
  expect(unknown.encode('abxc')).toEqual([0, 1, 3, 3])
})

test('ids without a token are passed over, and what a post-processor would repeat is not', () => {
  const single = [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }]
  const model = { ...plain.model, unk_token: 'c' }
  const tokenizer = parse({ model, post_processor: { type: 'TemplateProcessing', single, pair: [] } })
  expect(tokenizer.encode('ab')).toEqual([0, 1])
  expect(tokenizer.decode([0, 99, 1])).toBe('ab')
  expect(tokenizer.decode([99])).toBe('')
})
