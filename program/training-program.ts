import type { TrainSection } from '../protocol/run-spec.ts'
import { appendBatchGradient, assertPartsFit, withUntrained } from './batch-gradient.ts'
import { defaultProgramLimits } from './check-program.ts'
import { frozen } from './frozen.ts'
import { fuse } from './fuse/fuse.ts'
import { createGraph, type Graph } from './graph.ts'
import { halfProducts } from './half/half-products.ts'
import { lossScale } from './half/loss-scale.ts'
import { assertDivides, invalidModel } from './invalid-model.ts'
import { adaptersOf, type LoraOptions } from './lora/adapters.ts'
import { adapted } from './lora/lora.ts'
import { accuracy } from './losses.ts'
import { assertFits, type StepMemory, stepMemory } from './memory.ts'
import type { Model } from './model.ts'
import { type ModelSpec, modelOf } from './model-spec.ts'
import { encodeModel } from './onnx/model-proto.ts'
import {
  type InnerOptimizer,
  innerOptimizer as innerOptimizerOf,
  type OptimizerConstants,
} from './optimizers/inner-optimizer.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import { movingPart, type ParameterTable } from './parameter-table.ts'
import { encodeInfo, type ProgramInfo, type ProgramKind } from './program-info.ts'
import { appendInput, appendParameters } from './program-inputs.ts'
import { withUsedNodes } from './recompute/used-nodes.ts'

type Compute = TrainSection['compute']

export interface ProgramOptions {
  /** What takes the inner steps; AdamW by default. */
  readonly innerOptimizer?: InnerOptimizer
  /** Its constants, where they are not the defaults. */
  readonly optimizer?: OptimizerConstants
  /** Parts that a step takes its batch in, one after the other; a divisor of the batch. */
  readonly accumulate?: number
  /** Parameters that stay as they are, by name; `*` stands for anything. */
  readonly freeze?: readonly string[]
  /** Trains pairs of low-rank factors beside the model's matrices, and nothing of the model itself. */
  readonly lora?: LoraOptions | null
  /** Runs each block again in the backward pass, instead of keeping what it computed. */
  readonly recompute?: boolean
  /** What the training program's products are taken in (half/). Evaluation and sampling stay in float32. */
  readonly compute?: Compute
  /** What a worker may use for one replica; a model that needs more is refused before anything is built. */
  readonly maxMemoryBytes?: number
  /** What a training program in parts may have; those of a worker's limits by default. */
  readonly maxNodes?: number
}

export interface TrainingProgram {
  /** ONNX bytes, each named by its CID. */
  readonly training: Uint8Array
  readonly evaluation: Uint8Array
  readonly sampling: Uint8Array
  readonly table: ParameterTable
  /** Null where it is not known before the program is built. */
  readonly memory: StepMemory | null
}

/** A replica of this size still trains on a laptop with 8 GiB. */
const defaultMaxMemoryBytes = 6 * 2 ** 30

/**
 * Builds the three programs of a model; they share one parameter table. Equal specs give equal bytes on any host.
 *
 * Training: inputs `params` f32[N], `inputs` and `targets` as the model has them (a GPT: i64[B,T] both), scalar
 * `learning_rate`, and what the optimizer has (AdamW: `adam_m`, `adam_v` f32[N], scalars `bias1`, `bias2`); outputs
 * `loss`, `next_params`, `next_adam_m`, `next_adam_v`, `grad_norm`. Evaluation: `params`, `inputs`, `targets` → `loss`, and `accuracy` of a classification.
 * Sampling: `params`, `inputs` of one row → `logits`.
 * @throws MurmurError MODEL_INVALID (exit `usage`), MODEL_TOO_BIG (exit `infeasible`).
 */
export function buildTrainingProgram(spec: ModelSpec, options: ProgramOptions = {}): TrainingProgram {
  return buildPrograms((batch) => modelOf({ ...spec, batch }), spec.batch, options)
}

/** As buildTrainingProgram, of any model; `modelOf` makes it for a batch of so many rows. */
export function buildPrograms(
  modelOf: (batch: number) => Model,
  batch: number,
  options: ProgramOptions = {},
): TrainingProgram {
  const { accumulate = 1, recompute = false, compute = 'f32' } = options
  const size = { parts: accumulate, maxNodes: options.maxNodes ?? defaultProgramLimits.maxNodes }
  const { part, adapt, optimizer, memory, table } = prepare(modelOf, batch, options)
  const model = adapt(modelOf(batch))
  const training = encode(
    'training',
    model,
    table,
    (graph) => {
      const { params, loss, gradient, untrained, logitsShape } = appendBatchGradient(graph, part, table, {
        ...{ ...size, recompute },
        lossScale: compute === 'f16' ? lossScale(part.tokensPerStep) : 1,
      })
      graph.output('loss', loss)
      optimizer.append(withUntrained(graph, untrained, table), params, gradient, movingPart(table))
      return logitsShape
    },
    { optimizer, compute, size },
  )
  const evaluation = encode('evaluation', model, table, (graph) => {
    const { loss, logits, targets } = appendLoss(graph, model, table)
    graph.output('loss', loss)
    if (model.task === 'classification') graph.output('accuracy', accuracy(graph, logits, targets))
    return logits.shape
  })
  const sampling = buildSamplingProgram(adapt(modelOf(1)), table)
  return { training, evaluation, sampling, table, memory }
}

interface Preparation {
  /** The model of one part of the batch. */
  readonly part: Model
  /** The model of any batch with the same adapters. */
  adapt(model: Model): Model
  readonly optimizer: Optimizer
  readonly memory: StepMemory | null
  readonly table: ParameterTable
}

/**
 * What a step of the model takes, without building it; at least, where that is beyond what any worker may use. Null where
 * it is not known. Throws as buildPrograms, but never MODEL_TOO_BIG.
 */
export function trainingMemory(spec: ModelSpec, options: ProgramOptions): StepMemory | null {
  const of = (batch: number) => modelOf({ ...spec, batch })
  const { least, everythingMoves } = leastMemory(of, spec.batch, options)
  if (everythingMoves || least === null || least.totalBytes > defaultMaxMemoryBytes) return least
  return prepare(of, spec.batch, { ...options, maxMemoryBytes: Number.POSITIVE_INFINITY }).memory
}

/** What a step takes if nothing that may be frozen moves: known from a model's sizes, which may be too big to lay a table out. */
function leastMemory(modelOf: (batch: number) => Model, batch: number, options: ProgramOptions) {
  const { accumulate = 1, freeze = [], lora = null, recompute = false } = options
  assertDivides(accumulate, batch, 'accumulate', 'batch')
  const plain = modelOf(batch / accumulate)
  const optimizer = innerOptimizerOf(options.innerOptimizer ?? 'adamw', options.optimizer)
  const estimate = (model: Model, moving?: number) => {
    const memory = recompute ? (model.recomputingMemory ?? null) : model.memory
    return memory && stepMemory(memory, accumulate, optimizer, moving)
  }
  const everythingMoves = lora === null && freeze.length === 0
  return {
    ...{ plain, optimizer, estimate, everythingMoves },
    least: estimate(plain, everythingMoves ? undefined : 0),
  }
}

function prepare(modelOf: (batch: number) => Model, batch: number, options: ProgramOptions): Preparation {
  const { freeze = [], lora = null } = options
  if (lora !== null && freeze.length > 0)
    throw invalidModel(
      'freeze has nothing to do beside lora, which freezes all of the model’s own parameters',
    )
  const { plain, optimizer, estimate, everythingMoves, least } = leastMemory(modelOf, batch, options)
  const limit = options.maxMemoryBytes ?? defaultMaxMemoryBytes
  if (least !== null) assertFits(least, limit)
  const adapters = lora === null ? null : adaptersOf(plain, lora)
  const adapt = (model: Model) => (adapters === null ? model : adapted(model, adapters))
  const part = adapt(plain)
  const table = frozen(part.table, freeze)
  const memory = everythingMoves ? least : estimate(part, table.movingCount)
  if (memory !== null) assertFits(memory, limit)
  return { part, adapt, optimizer, memory, table }
}

/** @param single the model for one row */
export function buildSamplingProgram(single: Model, table: ParameterTable): Uint8Array {
  return encode('sampling', single, table, (graph) => {
    const { parameter } = appendParameters(graph, table)
    const logits = single.logits(graph, appendInput(graph, 'inputs', single.inputs), parameter)
    graph.output('logits', logits)
    return logits.shape
  })
}

/** Of a training program. */
interface EncodeOptions {
  readonly optimizer?: Optimizer
  readonly compute?: Compute
  readonly size?: Parameters<typeof assertPartsFit>[1]
}

/** `append` gives the shape of the logits back. */
function encode(
  kind: ProgramKind,
  { task, inputs, targets, tokensPerStep }: Model,
  table: ParameterTable,
  append: (graph: Graph) => readonly number[],
  { optimizer, compute = 'f32', size }: EncodeOptions = {},
): Uint8Array {
  const graph = createGraph()
  const logits = append(graph)
  const info: ProgramInfo = {
    ...{ kind, task, inputs, targets, tokensPerStep, table, logits },
    parameterCount: table.count,
    optimizerSlots: optimizer?.slots ?? [],
    betas: optimizer?.betas ?? [],
  }
  const fused = fuse(withUsedNodes(graph.model(encodeInfo(info))))
  const program = compute === 'f16' ? halfProducts(fused) : fused
  if (size !== undefined) assertPartsFit(program.nodes.length, size, compute)
  return encodeModel(program)
}

/** Loss and logits of the whole batch at once. */
function appendLoss(graph: Graph, model: Model, table: ParameterTable) {
  const { parameter } = appendParameters(graph, table)
  const inputs = appendInput(graph, 'inputs', model.inputs)
  const targets = appendInput(graph, 'targets', model.targets)
  const logits = model.logits(graph, inputs, parameter)
  return { loss: model.loss(graph, logits, targets), logits, targets }
}
