import { MurmurError } from '../protocol/errors.ts'
import { adamWorkVectors } from './optimizers/adamw.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import { attentionScores } from './presets/gpt-attention.ts'
import { gptDesignCount } from './presets/gpt-parameters.ts'
import { designOf, type GptDesign, type GptShape } from './presets/gpt-shape.ts'

/** Bytes to train one replica, known before anything is built. Doubles: absurd specs give absurd numbers, not overflow. */
export interface MemoryEstimate {
  readonly parameterCount: number
  /** Parameters and optimizer state, held twice: a step reads one set and writes the other. */
  readonly stateBytes: number
  /** Parameter copies, gradients and activations at the peak of a step. */
  readonly workBytes: number
  readonly totalBytes: number
}

/** Under an optimizer, of what is not frozen. */
export interface StepMemory extends MemoryEstimate {
  readonly movingCount: number
}

/** Parameters of a GPT, without laying them out: a spec may ask for more layers than fit into a table. */
export const gptParameterCount = (shape: GptShape): number => gptDesignCount(designOf(shape))

/**
 * Under AdamW. State: 2 × 3 vectors of N. Work: N-sized pieces, gradients and optimizer temporaries, then what the forward pass
 * keeps for the backward pass: of each layer its vectors and, of all scores that blocks of queries have, probabilities and
 * weights, 4 rows of logits; with `recompute` what goes into each layer, and one layer. And two gradients of one block's
 * scores. `memory.test.ts` holds it against the sum of what is alive at once in the built graph.
 */
export function estimateMemory(shape: GptShape, batch: number, recompute = false): MemoryEstimate {
  const design = designOf(shape)
  const { layers, heads, context, vocabulary } = design
  const parameterCount = gptDesignCount(design)
  const stateBytes = 4 * 6 * parameterCount
  const scores = attentionScores(context)
  const layer = context * rowValues(design) + 2 * heads * scores.all
  const layersKept = recompute ? layers * context * design.width + layer : layers * layer
  const kept = layersKept + 2 * heads * scores.largest + 4 * context * vocabulary
  const workBytes = 4 * (adamWorkVectors * parameterCount + batch * kept)
  return { parameterCount, stateBytes, workBytes, totalBytes: stateBytes + workBytes }
}

/** Vectors of the MLP's width that an activation keeps, with what goes into it. */
const activationVectors = { 'squared-relu': 3, gelu: 10, swiglu: 5 } as const

/** Values that a layer keeps of one row beside its attention. */
function rowValues({ width, mlpWidth, norm, positions, activation, qkNorm }: GptDesign): number {
  const vectors = 14 + (norm === 'rms' ? 4 : 0) + (positions === 'rotary' ? 6 : 0) + (qkNorm ? 6 : 0)
  return vectors * width + activationVectors[activation] * mlpWidth
}

/**
 * A model with low-rank factors beside its matrices.
 * @param parameterCount all of its parameters, factors included
 * @param innerValues of the narrow products of a step: kept as they are and scaled
 */
export function withAdapters(
  { parameterCount: own, ...memory }: MemoryEstimate,
  parameterCount: number,
  innerValues: number,
): MemoryEstimate {
  const added = parameterCount - own
  const stateBytes = memory.stateBytes + 4 * 6 * added
  const workBytes = memory.workBytes + 4 * (adamWorkVectors * added + 2 * innerValues)
  return { parameterCount, stateBytes, workBytes, totalBytes: stateBytes + workBytes }
}

/** Bytes of a state up to which its digest is taken of a copy, while the next step is under way (worker/engine/threaded-hasher.ts). */
export const mostHashedApart = 2 ** 27

/** What that copy takes, of a state of so many bytes. */
export const digestBytes = (stateBytes: number): number => (stateBytes > mostHashedApart ? 0 : stateBytes)

/** Vectors that a frozen parameter is part of beside the state: its piece, and the one that is given on. */
const frozenWorkVectors = 2

/**
 * What a step takes under an optimizer, in so many parts.
 * @param part what one part takes under AdamW
 * @param movingCount parameters that are not frozen: the others have no gradient and no optimizer state
 */
export function stepMemory(
  { parameterCount, ...part }: MemoryEstimate,
  parts: number,
  { slots, workVectors }: Pick<Optimizer, 'slots' | 'workVectors'>,
  movingCount = parameterCount,
): StepMemory {
  const set = 4 * (parameterCount + slots.length * movingCount)
  const stateBytes = 2 * set
  // Of several parts, the running sum of their gradients is alive beside them.
  const vectors = workVectors - adamWorkVectors + (parts > 1 ? 1 : 0)
  const frozen = (adamWorkVectors - frozenWorkVectors) * (parameterCount - movingCount)
  const workBytes = part.workBytes + 4 * (vectors * movingCount - frozen)
  const totalBytes = stateBytes + workBytes + digestBytes(set)
  return { parameterCount, movingCount, stateBytes, workBytes, totalBytes }
}

/** @throws MurmurError MODEL_TOO_BIG (exit `infeasible`) with the numbers and what to lower. */
export function assertFits(memory: MemoryEstimate, maxMemoryBytes: number): void {
  const { totalBytes, stateBytes, workBytes, parameterCount } = memory
  if (totalBytes <= maxMemoryBytes) return
  const lower =
    workBytes > stateBytes * 2
      ? 'train.batch or model.context, or raise train.accumulate'
      : 'model.width or model.layers'
  throw new MurmurError('MODEL_TOO_BIG', {
    message: `training it takes ${gibibytes(totalBytes)} a worker (${gibibytes(stateBytes)} of state for ${parameterCount.toPrecision(4)} parameters, ${gibibytes(workBytes)} of work), the limit is ${gibibytes(maxMemoryBytes)}`,
    next: `lower ${lower}`,
    exit: 'infeasible',
    details: { totalBytes, stateBytes, workBytes, maxMemoryBytes },
  })
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toPrecision(3)} GiB`
