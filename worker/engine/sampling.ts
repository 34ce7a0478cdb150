import { invariant, MurmurError } from '../../protocol/errors.ts'
import { drawsAt } from '../../protocol/random.ts'
import type { DecodingSession, SamplingSession } from './engine.ts'

export interface SampleOptions {
  /** Bytes, or tokens, to append. */
  readonly count: number
  /** 0 always takes the likeliest; 1 samples from the model as it is. */
  readonly temperature: number
  /** Only the k likeliest are drawn from. */
  readonly topK: number
  readonly seed: number
}

/** What says which token is next: whole passes over a window, or passes that keep what was made of earlier tokens. */
export type TextSession = SamplingSession | DecodingSession

/**
 * Continues a prompt byte by byte, telling each as it is made; gives the new bytes alone. Equal arguments on an equal engine give equal bytes.
 * Of a text longer than the context, a sampling session sees the last `context` bytes, a decoding session those from
 * `windowStart` on.
 * @throws MurmurError PROMPT_EMPTY, NOT_A_LANGUAGE_MODEL (exit `usage`).
 */
export async function sampleText(
  session: TextSession,
  params: Float32Array,
  prompt: Uint8Array,
  { onBytes, ...options }: SampleOptions & { readonly onBytes?: (bytes: Uint8Array) => void },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const onToken = (byte: number) => onBytes?.(Uint8Array.of(byte))
  return Uint8Array.from(await sampleTokens(session, params, [...prompt], { ...options, onToken }, signal))
}

/** As `sampleText`, of the ids of tokens. */
export async function sampleTokens(
  session: TextSession,
  params: Float32Array,
  prompt: readonly number[],
  { onToken, ...options }: SampleOptions & { readonly onToken?: (token: number) => void },
  signal?: AbortSignal,
): Promise<number[]> {
  const { task } = session.info
  if (task !== 'language') {
    throw new MurmurError('NOT_A_LANGUAGE_MODEL', {
      message: `this model is a ${task}: there is no text to continue`,
      next: '`murmur eval` measures it',
      exit: 'usage',
    })
  }
  if (prompt.length === 0) {
    throw new MurmurError('PROMPT_EMPTY', {
      message: 'there is nothing to continue',
      next: 'give a prompt of at least one character',
      exit: 'usage',
    })
  }
  const draw = drawsAt(options.seed, 'sampling', [0, 0])
  const text = [...prompt]
  const logitsAfter = 'prefill' in session ? await keptPasses(session, params) : wholePasses(session, params)
  for (let made = 0; made < options.count; made++) {
    signal?.throwIfAborted()
    const next = choose(await logitsAfter(text), options, draw() / 2 ** 32)
    text.push(next)
    onToken?.(next)
  }
  return text.slice(prompt.length)
}

/** Logits of the token that follows a text. */
type LogitsAfter = (text: readonly number[]) => Promise<Float32Array>

function wholePasses(session: SamplingSession, params: Float32Array): LogitsAfter {
  const { inputs, logits } = session.info
  const [context, vocabulary] = [inputs.shape.at(-1)!, logits.at(-1)!]
  return async (text) => {
    const seen = text.slice(-context)
    // Positions after the last are whatever they are: causal attention does not let it see them.
    const tokens = BigInt64Array.from({ length: context }, (_, index) => BigInt(seen[index] ?? 0))
    const all = await session.logits(params, tokens)
    return all.subarray((seen.length - 1) * vocabulary, seen.length * vocabulary)
  }
}

/** Texts that grow by one token from call to call. */
async function keptPasses(session: DecodingSession, params: Float32Array): Promise<LogitsAfter> {
  await session.writeParameters(params)
  let begun: number | null = null
  return async (text) => {
    const start = windowStart(text.length, session.context)
    if (start === begun) return await session.next(text.at(-1)!)
    begun = start
    return await session.prefill(text.slice(start))
  }
}

/**
 * Where the window begins of a text of so many tokens: once the context is full, it moves on by half of it, so that what
 * was kept serves the other half. Every token but the first few is seen with at least half a context before it.
 */
export function windowStart(length: number, context: number): number {
  const half = Math.ceil(context / 2)
  return Math.max(0, Math.ceil((length - context) / half)) * half
}

/** One index, drawn from softmax(logits / temperature) over the top k. `uniform` is in [0, 1). */
export function choose(
  logits: Float32Array,
  { temperature, topK }: Pick<SampleOptions, 'temperature' | 'topK'>,
  uniform: number,
): number {
  invariant(temperature >= 0 && topK >= 1, 'temperature is at least 0, topK at least 1')
  const ranked = likeliest(logits, temperature === 0 ? 1 : topK)
  const best = ranked[0]!
  const weights = ranked.map(({ logit }) =>
    temperature === 0 ? 1 : Math.exp((logit - best.logit) / temperature),
  )
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [rank, { index }] of ranked.entries()) {
    left -= weights[rank]!
    if (left < 0) return index
  }
  return ranked.at(-1)!.index
}

/** The k largest, largest first; of equal ones the first. */
function likeliest(logits: Float32Array, k: number) {
  const least = logits.toSorted()[Math.max(0, logits.length - k)]!
  return [...logits.keys()]
    .filter((index) => logits[index]! >= least)
    .map((index) => ({ index, logit: logits[index]! }))
    .sort((a, b) => b.logit - a.logit || a.index - b.index)
    .slice(0, k)
}
