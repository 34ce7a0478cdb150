import { Tokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { errorText } from '../../protocol/errors.ts'
import { maxShardBytes } from '../../protocol/limits.ts'
import { refused } from './open-file.ts'

/** Text to token ids and back. */
export interface TextTokenizer {
  /** One more than the largest id. */
  readonly vocabulary: number
  encode(text: string): number[]
  decode(ids: readonly number[]): string
}

/** A `tokenizer.json` is one block; those of vocabularies of 250,000 have some 16 MB. */
const maxTokenizerBytes = maxShardBytes
/** Ids beyond it would want an embedding that no replica holds. */
const maxVocabulary = 2 ** 24

const id = z
  .int()
  .min(0)
  .max(maxVocabulary - 1)
const fileSchema = z.looseObject({
  model: z.looseObject({
    vocab: z.union([z.record(z.string(), id), z.array(z.tuple([z.string(), z.number()]))]),
  }),
  added_tokens: z.array(z.looseObject({ id })).nullish(),
})

/**
 * Reads a Hugging Face `tokenizer.json`.
 * @throws MurmurError TOKENIZER_INVALID (exit `usage`).
 */
export function parseTokenizer(bytes: Uint8Array): TextTokenizer {
  if (bytes.length > maxTokenizerBytes) throw invalid(`${bytes.length} bytes are over ${maxTokenizerBytes}`)
  let tokenizer: Tokenizer
  let vocabulary = 0
  try {
    const file = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as object
    const { model, added_tokens: added } = fileSchema.parse(file)
    const { vocab } = model
    const ids = Array.isArray(vocab) ? vocab.keys() : Object.values(vocab)
    for (const each of ids) vocabulary = Math.max(vocabulary, each + 1)
    for (const each of added ?? []) vocabulary = Math.max(vocabulary, each.id + 1)
    tokenizer = new Tokenizer(file, {})
  } catch (cause) {
    throw invalid(cause instanceof z.ZodError ? z.prettifyError(cause) : errorText(cause), cause)
  }
  return {
    vocabulary,
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) =>
      ids.length === 0
        ? ''
        : tokenizer.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
  }
}

const invalid = (reason: string, cause?: unknown) =>
  refused(
    'TOKENIZER_INVALID',
    `not a tokenizer.json: ${reason.slice(0, 300)}`,
    'give the tokenizer.json of a Hugging Face folder',
    cause,
  )
