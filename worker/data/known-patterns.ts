/** Runs of white space, the end of every pattern below. */
const spaces = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
const mark = String.raw`[^\r\n\p{L}\p{N}]?`

/**
 * The regular expressions of published tokenizers. A pattern is a program that whoever wrote the file makes others run,
 * and one of nested repetitions takes time that doubles with each character; each of these takes time in proportion
 * to the text.
 */
export const knownPatterns: ReadonlySet<string> = new Set([
  // GPT-2
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  // cl100k (GPT-4) and Llama 3
  String.raw`${contractions}|${mark}\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|${spaces}`,
  // cl100k as tiktoken writes it
  String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`,
  // nanochat
  String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
  // Qwen 2, 2.5 and 3; 3.5
  String.raw`${contractions}|${mark}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${spaces}`,
  String.raw`${contractions}|${mark}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${spaces}`,
  // o200k (GPT-4o)
  String.raw`${mark}${upper}*${lower}+${contractions}?|${mark}${upper}+${lower}*${contractions}?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${spaces}`,
  // Tekken (Mistral)
  String.raw`${mark}${upper}*${lower}+|${mark}${upper}+${lower}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${spaces}`,
  // DeepSeek Coder; V3
  String.raw`[\r\n]`,
  String.raw`\s?\p{L}+`,
  String.raw`\s?\p{P}+`,
  '[一-龥ࠀ-一가-퟿]+',
  String.raw`\p{N}{1,3}`,
  '[一-龥぀-ゟ゠-ヿ]+',
  String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${spaces}`,
  // BLOOM
  ' ?[^(\\s|[.,!?…。，、।۔،])]+',
  // CLIP
  String.raw`'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`,
  // White space and digits, of T5, DeBERTa, CLIP and others
  ' {2,}',
  String.raw`\s+`,
  String.raw`\d`,
  String.raw`\d+`,
  String.raw`\p{N}`,
  String.raw`\p{N}+`,
])
