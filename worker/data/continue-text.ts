import { type SampleOptions, sampleText, sampleTokens, type TextSession } from '../engine/sampling.ts'
import { refused } from './open-file.ts'
import type { TextTokenizer } from './tokenizer.ts'

export interface ContinueOptions extends Omit<SampleOptions, 'onBytes'> {
  /** Told new text as it is made, in whole characters. */
  readonly onText?: (text: string) => void
}

/** More than the longest context that a model of this size has; encoding takes time for each. */
const maxPromptChars = 64 * 1024

/**
 * Continues a text, or the ids of one, by `count` tokens, and gives what is new. Without a tokenizer, tokens are bytes.
 * @throws MurmurError PROMPT_EMPTY, PROMPT_TOO_LONG, PROMPT_UNKNOWN: what the tokenizer has no token for,
 * NOT_A_LANGUAGE_MODEL (exit `usage`).
 */
export async function continueText(
  session: TextSession,
  theta: Float32Array,
  prompt: string | readonly number[],
  tokenizer: TextTokenizer | null,
  { onText, ...options }: ContinueOptions,
  signal?: AbortSignal,
): Promise<string> {
  if (prompt.length > maxPromptChars)
    throw refused(
      'PROMPT_TOO_LONG',
      `the prompt has a length of ${prompt.length}`,
      `give at most ${maxPromptChars} characters`,
    )
  if (tokenizer !== null) {
    const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt
    if (ids.some(Number.isNaN))
      throw refused(
        'PROMPT_UNKNOWN',
        'the tokenizer has no token for a part of the prompt',
        'give another prompt',
      )
    const speech = onText && spoken(tokenizer, ids, onText)
    const made = await sampleTokens(session, theta, ids, { ...options, onToken: speech?.token }, signal)
    speech?.end()
    return textAfter(tokenizer, ids, made)
  }
  // A character may take several bytes.
  const decoder = new TextDecoder()
  const onBytes = (bytes: Uint8Array) => onText?.(decoder.decode(bytes, { stream: true }))
  const bytes = await sampleText(
    session,
    theta,
    typeof prompt === 'string' ? new TextEncoder().encode(prompt) : Uint8Array.from(prompt),
    { ...options, onBytes },
    signal,
  )
  onText?.(decoder.decode())
  return new TextDecoder().decode(bytes)
}

/** Tokens that are decoded with those before them: some say only together what they are, or whether a space is before. */
const contextTokens = 8
const unfinished = '\uFFFD'

/** What `made` adds to the text of `before`. */
function textAfter({ decode }: TextTokenizer, before: readonly number[], made: readonly number[]): string {
  const seen = before.slice(-contextTokens)
  return decode([...seen, ...made]).slice(decode(seen).length)
}

/** Tells the text of each token once its characters are whole, or will not be. */
function spoken(tokenizer: TextTokenizer, prompt: readonly number[], onText: (text: string) => void) {
  let before = [...prompt]
  let waiting: number[] = []
  const tell = (text: string) => {
    onText(text)
    before = [...before, ...waiting].slice(-contextTokens)
    waiting = []
  }
  return {
    token: (token: number) => {
      waiting.push(token)
      const text = textAfter(tokenizer, before, waiting)
      if (!text.endsWith(unfinished) || waiting.length === contextTokens) tell(text)
    },
    end: () => tell(textAfter(tokenizer, before, waiting)),
  }
}
