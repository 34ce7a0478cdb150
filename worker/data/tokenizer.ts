import { Tokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { errorText } from '../../protocol/errors.ts'
import { maxShardBytes } from '../../protocol/limits.ts'
import { refused } from './open-file.ts'
import { tokenizerFile } from './tokenizer-file.ts'

/** Text to token ids and back. */
export interface TextTokenizer {
  /** One more than the largest id. */
  readonly vocabulary: number
  /** NaN for what there is no token for. */
  encode(text: string): number[]
  /** Ids without a token are passed over. */
  decode(ids: readonly number[]): string
}

/** A `tokenizer.json` is one block; those of vocabularies of 250,000 have some 16 MB. */
const maxTokenizerBytes = maxShardBytes

/**
 * Reads a Hugging Face `tokenizer.json` from anyone: of known components with known patterns (tokenizer-file.ts).
 * @throws MurmurError TOKENIZER_INVALID (exit `usage`).
 */
export function parseTokenizer(bytes: Uint8Array): TextTokenizer {
  if (bytes.length > maxTokenizerBytes) throw invalid(`${bytes.length} bytes are over ${maxTokenizerBytes}`)
  let tokenizer: Tokenizer
  let vocabulary = 0
  try {
    const file = tokenizerFile.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    const { model, added_tokens: added } = file
    const { vocab } = model
    const ids = Array.isArray(vocab) ? vocab.keys() : Object.values(vocab)
    for (const each of ids) vocabulary = Math.max(vocabulary, each + 1)
    for (const each of added ?? []) vocabulary = Math.max(vocabulary, each.id + 1)
    // Without an unknown token, BPE would leave out silently what it has no token for; this one has no id.
    const told = { ...model, unk_token: model.unk_token ?? '' }
    // A post-processor only adds what is special to the ends of a text.
    tokenizer = new Tokenizer({ ...file, model: told, post_processor: null }, {})
  } catch (cause) {
    throw invalid(cause instanceof z.ZodError ? z.prettifyError(cause) : errorText(cause), cause)
  }
  return {
    vocabulary,
    encode: (text) =>
      tokenizer
        .encode(text, { add_special_tokens: false })
        .ids.map((each: number | undefined) => each ?? Number.NaN),
    decode: (ids) => {
      const known = ids.filter((each) => tokenizer.id_to_token(each) !== undefined)
      return known.length === 0
        ? ''
        : tokenizer.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false })
    },
  }
}

const invalid = (reason: string, cause?: unknown) =>
  refused(
    'TOKENIZER_INVALID',
    `not a tokenizer.json: ${reason.slice(0, 300)}`,
    'give the tokenizer.json of a Hugging Face folder, with kinds and patterns that docs/data.md names',
    cause,
  )
