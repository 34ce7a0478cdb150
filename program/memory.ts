import { MurmurError } from '../protocol/errors.ts'
import type { GptShape } from './presets/gpt.ts'

/** Tokens are bytes. */
const vocabulary = 256

/** Bytes to train one replica, known before anything is built. Doubles: absurd specs give absurd numbers, not overflow. */
export interface MemoryEstimate {
  readonly parameterCount: number
  /** Parameters and optimizer state, held twice: a step reads one set and writes the other. */
  readonly stateBytes: number
  /** Parameter copies, gradients and activations at the peak of a step. */
  readonly workBytes: number
  readonly totalBytes: number
}

/** Parameters of a GPT, without laying them out: a spec may ask for more layers than fit into a table. */
export function gptParameterCount({
  layers,
  width,
  context,
}: Pick<GptShape, 'layers' | 'width' | 'context'>): number {
  const layer = 12 * width * width + 10 * width - width
  return layers * layer + (2 * vocabulary + context + 2) * width
}

/**
 * State: 2 × 3 vectors of N. Work: N-sized pieces, gradients and optimizer temporaries, then what the forward pass
 * keeps for the backward pass, for each of B·T rows: 26 vectors of the width and 3 attention rows a layer, and 4 rows
 * of logits. `memory.test.ts` holds it against the sum of what is alive at once in the built graph.
 */
export function estimateMemory(shape: GptShape, batch: number): MemoryEstimate {
  const { layers, width, heads, context } = shape
  const parameterCount = gptParameterCount(shape)
  const stateBytes = 4 * 6 * parameterCount
  const kept = layers * (26 * width + 3 * heads * context) + 4 * vocabulary
  const workBytes = 4 * (6 * parameterCount + batch * context * kept)
  return { parameterCount, stateBytes, workBytes, totalBytes: stateBytes + workBytes }
}

/** @throws MurmurError MODEL_TOO_BIG (exit `infeasible`) with the numbers and what to lower. */
export function assertFits(memory: MemoryEstimate, maxMemoryBytes: number): void {
  const { totalBytes, stateBytes, workBytes, parameterCount } = memory
  if (totalBytes <= maxMemoryBytes) return
  const lower = workBytes > stateBytes * 2 ? 'train.batch or model.context' : 'model.width or model.layers'
  throw new MurmurError('MODEL_TOO_BIG', {
    message: `training it takes ${gibibytes(totalBytes)} a worker (${gibibytes(stateBytes)} of state for ${parameterCount.toPrecision(4)} parameters, ${gibibytes(workBytes)} of work), the limit is ${gibibytes(maxMemoryBytes)}`,
    next: `lower ${lower}`,
    exit: 'infeasible',
    details: { totalBytes, stateBytes, workBytes, maxMemoryBytes },
  })
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toPrecision(3)} GiB`
