import { z } from 'zod'
import { knownPatterns } from './known-patterns.ts'

/*
 * What a `tokenizer.json` may ask for. It comes with a run, from strangers, and a head decodes with it: so a file is held to
 * components that take time and memory in proportion to the text, whatever their settings.
 */

/** Ids beyond it would want an embedding that no replica holds. */
const maxVocabulary = 2 ** 24
/** Of one token: the longest of published vocabularies are runs of some hundred spaces. */
const maxTokenChars = 1024
/** Of a prefix, a suffix or a text to be replaced. */
const maxAffixChars = 64
/** DeepSeek Coder's six steps are the most that we know of. */
const maxSteps = 8
/** A sequence within a sequence. */
const maxDepth = 2

const id = z
  .int()
  .min(0)
  .max(maxVocabulary - 1)
const token = z.string().max(maxTokenChars)
const affix = z.string().max(maxAffixChars)
/** Takes the place of one space; an empty one would be found between all characters. */
const sign = z.string().length(1)

const pattern = z.union([
  z.strictObject({ String: affix.min(1) }),
  z.strictObject({
    Regex: z
      .string()
      .refine((source) => knownPatterns.has(source), 'not the pattern of a published tokenizer'),
  }),
])

/** Each match of a known pattern has a character at least, and a run of spaces two. */
const replace = z
  .looseObject({ type: z.literal('Replace'), pattern, content: affix })
  .refine(
    ({ pattern, content }) => content.length <= ('String' in pattern ? pattern.String.length : 1),
    'Replace: its content is longer than what it replaces',
  )

const kinds = <const T extends readonly [string, ...string[]]>(...names: T) =>
  z.looseObject({ type: z.enum(names) })

const normalizer = z.union([
  kinds('BertNormalizer', 'Precompiled', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Strip', 'StripAccents', 'Lowercase'),
  z.looseObject({ type: z.literal('Prepend'), prepend: affix }),
  replace,
])

const preTokenizer = z.union([
  kinds('BertPreTokenizer', 'Whitespace', 'WhitespaceSplit', 'ByteLevel', 'Punctuation', 'Digits'),
  z.looseObject({
    type: z.literal('Metaspace'),
    replacement: sign.optional(),
    str_rep: sign.optional(),
  }),
  z.looseObject({ type: z.literal('Split'), pattern, behavior: z.string().optional() }),
  z.looseObject({ type: z.literal('FixedLength'), length: z.int().min(1) }),
])

const decoder = z.union([
  kinds('ByteLevel', 'Fuse', 'ByteFallback'),
  z.looseObject({ type: z.literal('WordPiece'), prefix: affix.optional() }),
  z.looseObject({ type: z.literal('Metaspace'), replacement: sign.optional() }),
  z.looseObject({ type: z.literal('BPEDecoder'), suffix: affix.min(1) }),
  z.looseObject({
    type: z.literal('Strip'),
    content: affix,
    start: z.int().min(0).max(maxTokenChars),
    stop: z.int().min(0).max(maxTokenChars),
  }),
  replace,
])

/** A component, or a `Sequence` of them under `key`. Twice ByteLevel is refused: each makes two characters of most that it gave. */
const chainOf = (component: z.ZodType, key: 'normalizers' | 'pretokenizers' | 'decoders') =>
  z.unknown().superRefine((value, context) => {
    const steps: unknown[] = []
    const problem = flatten(value, key, 1, steps) ?? problemOf(component, steps)
    if (problem !== null) context.addIssue({ code: 'custom', message: problem })
  })

const sequenceSchema = z.looseObject({ type: z.literal('Sequence') })

/** Adds the steps of `value` to `into`; what is wrong with their nesting. */
function flatten(value: unknown, key: string, depth: number, into: unknown[]): string | null {
  const sequence = sequenceSchema.safeParse(value)
  if (!sequence.success) {
    if (value !== null || depth > 1) into.push(value)
    return into.length > maxSteps ? `over ${maxSteps} steps` : null
  }
  const parts = sequence.data[key]
  if (!Array.isArray(parts)) return `a Sequence without ${key}`
  if (depth > maxDepth || parts.length > maxSteps)
    return `a Sequence of over ${maxSteps}, or over ${maxDepth} within each other`
  for (const part of parts) {
    const problem = flatten(part, key, depth + 1, into)
    if (problem !== null) return problem
  }
  return null
}

const typeSchema = z.looseObject({ type: z.string() })
const regexSchema = z.looseObject({ pattern: z.looseObject({ Regex: z.string() }) })

function problemOf(component: z.ZodType, steps: readonly unknown[]): string | null {
  let byteLevels = 0
  for (const step of steps) {
    const { data } = typeSchema.safeParse(step)
    const name = data?.type.slice(0, 40) ?? 'a component without a type'
    if (!component.safeParse(step).success) {
      const source = regexSchema.safeParse(step).data?.pattern.Regex
      if (source === undefined || knownPatterns.has(source))
        return `${name}, of a kind or with settings that are not supported`
      return `${name} by the pattern ${JSON.stringify(source.slice(0, 100))}, which no published tokenizer has`
    }
    if (data?.type === 'ByteLevel' && ++byteLevels > 1) return 'ByteLevel twice'
  }
  return null
}

/* Both of these are kept as trees, of up to 264 and 132 bytes a character: 550 and 70 MB at most. */

/** Of a Unigram vocabulary: 250,000 tokens of eight characters. */
const maxUnigramChars = 2 ** 21
/** Of the tokens that were added: thousands of reserved names. */
const maxAddedChars = 2 ** 19

const charsOf = (tokens: readonly string[]): number => tokens.reduce((sum, { length }) => sum + length, 0)

const vocabulary = z.union([
  z.record(token, id),
  z
    .array(z.tuple([token, z.number()]))
    .refine(
      (entries) => charsOf(entries.map(([each]) => each)) <= maxUnigramChars,
      'too many characters in all',
    ),
])

export const tokenizerFile = z.looseObject({
  model: z.looseObject({
    type: z.enum(['BPE', 'WordPiece', 'Unigram']).optional(),
    vocab: vocabulary,
    unk_token: token.nullish(),
    unk_id: id.nullish(),
    continuing_subword_prefix: affix.nullish(),
    continuing_subword_suffix: affix.nullish(),
    end_of_word_suffix: affix.nullish(),
    max_input_chars_per_word: z.int().min(0).max(maxTokenChars).optional(),
  }),
  added_tokens: z
    .array(z.looseObject({ id, content: token }))
    .refine(
      (added) => charsOf(added.map(({ content }) => content)) <= maxAddedChars,
      'too many characters in all',
    )
    .nullish(),
  normalizer: chainOf(normalizer, 'normalizers'),
  pre_tokenizer: chainOf(preTokenizer, 'pretokenizers'),
  decoder: chainOf(decoder, 'decoders'),
})
