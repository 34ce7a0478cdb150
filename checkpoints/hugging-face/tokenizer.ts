/**
 * A `tokenizer.json` whose tokens are bytes: id = byte, no merges. Its vocabulary has the bytes as the characters that
 * byte-level BPE writes for them (Radford et al. 2019): those that print as themselves, the others from U+0100 on.
 */
export function byteTokenizer(): unknown {
  const plain = { add_prefix_space: false, trim_offsets: true, use_regex: false }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', ...plain },
    post_processor: null,
    decoder: { type: 'ByteLevel', ...plain },
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null },
      ...{ continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: Object.fromEntries(byteCharacters().map((character, byte) => [character, byte])),
      merges: [],
    },
  }
}

export const tokenizerConfig = (context: number): unknown => ({
  tokenizer_class: 'PreTrainedTokenizerFast',
  model_max_length: context,
  clean_up_tokenization_spaces: false,
})

function byteCharacters(): readonly string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)
    return String.fromCodePoint(prints ? byte : next++)
  })
}
