import type { CheckedProgram } from '../../program/check-program.ts'
import { elements } from '../../program/operators/operator.ts'
import { parameterInput } from '../../program/program-info.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { DecodingSession } from './engine.ts'
import type { PlainTensor, Runner, Tensors } from './runner.ts'
import { type FloatTensor, floats, parameterTensor } from './tensors.ts'

/** Keys and values of every layer, of a window or of one token; each tensor is the engine's to write into. */
type Cache = readonly { readonly keys: FloatTensor; readonly values: FloatTensor }[]

/** Makes text by two programs that share the parameters: a pass over a window, and steps of one token over what it kept. */
export function createDecodingSession(prefill: Runner, step: Runner): DecodingSession {
  const info = step.program
  const [layers, heads, context, width] = cacheOf(prefill.program, info)
  const tensorsOf = (tokens: number): Cache =>
    Array.from({ length: layers }, () => ({
      keys: floats(heads * width * tokens, [heads, width, tokens]),
      values: floats(heads * tokens * width, [heads, tokens, width]),
    }))
  const cache = tensorsOf(context)
  const latest = tensorsOf(1)
  const named = (of: Cache, prefix = ''): Tensors =>
    Object.fromEntries(
      of.flatMap(({ keys, values }, layer) => [
        [`${prefix}keys${layer}`, keys],
        [`${prefix}values${layer}`, values],
      ]),
    )
  let parameters: Tensors | null = null
  let length = 0

  /** Puts what was made of the token at `position` beside what is kept. */
  const keep = (position: number) => {
    for (const [layer, { keys, values }] of cache.entries()) {
      const own = latest[layer]!
      for (let head = 0; head < heads; head++) {
        const row = own.values.data.subarray(head * width, (head + 1) * width)
        values.data.set(row, (head * context + position) * width)
        for (let value = 0; value < width; value++) {
          const place = head * width + value
          keys.data[place * context + position] = own.keys.data[place]!
        }
      }
    }
  }

  /** What a pass over a window made of the places behind its last token. */
  const clear = (from: number) => {
    for (const { keys, values } of cache) {
      for (let row = 0; row < heads * width; row++)
        keys.data.fill(0, row * context + from, (row + 1) * context)
      for (let head = 0; head < heads; head++)
        values.data.fill(0, (head * context + from) * width, (head + 1) * context * width)
    }
  }

  return {
    info,
    context,
    async writeParameters(params) {
      const { data } = parameterTensor(params, info.parameterCount)
      parameters = Object.fromEntries(
        info.table.parameters.map(({ name, shape, offset }) => {
          const piece = { data: (data as Float32Array).subarray(offset, offset + elements(shape)), shape }
          return [parameterInput(name), piece]
        }),
      )
      length = 0
    },
    async prefill(tokens) {
      invariant(parameters !== null, 'parameters are written before a text is')
      if (tokens.length < 1 || tokens.length > context) throw unfit(`${tokens.length} tokens`, context)
      length = 0
      const logits = floats(elements(info.logits), info.logits)
      const padded = Array.from({ length: context }, (_, index) => tokens[index] ?? 0)
      const feeds = { ...parameters, inputs: int64(padded, [1, context]), last: int64([tokens.length - 1]) }
      await prefill.run(feeds, { logits, ...named(cache) })
      clear(tokens.length)
      length = tokens.length
      return logits.data
    },
    async next(token) {
      invariant(parameters !== null, 'parameters are written before a text is')
      if (length === 0 || length === context) throw unfit(`a token after ${length}`, context)
      const logits = floats(elements(info.logits), info.logits)
      const feeds = {
        ...{ ...parameters, ...named(cache) },
        ...{ inputs: int64([token], [1, 1]), position: int64([length]) },
      }
      await step.run(feeds, { logits, ...named(latest, 'next_') })
      keep(length)
      length++
      return logits.data
    },
    async close() {
      await prefill.close()
      await step.close()
    },
  }
}

const int64 = (values: readonly number[], shape: readonly number[] = [values.length]): PlainTensor => ({
  data: BigInt64Array.from(values, BigInt),
  shape,
})

function cacheOf(prefill: CheckedProgram, step: CheckedProgram) {
  const { cache } = step
  invariant(cache !== undefined, 'a decoding program has a cache')
  if (String(prefill.cache) === String(cache) && prefill.inputs.shape[1] === cache[2]) return cache
  throw new MurmurError('PROGRAM_INVALID', {
    message: `a prefill of ${prefill.cache} does not fit steps over ${cache}`,
    next: 'load the two programs of one model',
    exit: 'verification',
  })
}

const unfit = (what: string, context: number): MurmurError =>
  new MurmurError('BATCH_SHAPE_INVALID', {
    message: `${what} in a window of ${context}`,
    next: 'begin a window of at least one token again with prefill',
  })
