import { appendBatchGradient, withUntrained } from './batch-gradient.ts'
import { frozen } from './frozen.ts'
import { fuse } from './fuse/fuse.ts'
import { createGraph, type Graph } from './graph.ts'
import { assertDivides } from './invalid-model.ts'
import { accuracy } from './losses.ts'
import { assertFits, type MemoryEstimate, stepMemory } from './memory.ts'
import type { Model } from './model.ts'
import { type ModelSpec, modelOf } from './model-spec.ts'
import { encodeModel } from './onnx/model-proto.ts'
import {
  type InnerOptimizer,
  innerOptimizer as innerOptimizerOf,
  type OptimizerConstants,
} from './optimizers/inner-optimizer.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import type { ParameterTable } from './parameter-table.ts'
import { encodeInfo, type ProgramInfo, type ProgramKind } from './program-info.ts'
import { appendInput, appendParameters } from './program-inputs.ts'

export interface ProgramOptions {
  /** What takes the inner steps; AdamW by default. */
  readonly innerOptimizer?: InnerOptimizer
  /** Its constants, where they are not the defaults. */
  readonly optimizer?: OptimizerConstants
  /** Parts that a step takes its batch in, one after the other; a divisor of the batch. */
  readonly accumulate?: number
  /** Parameters that stay as they are, by name; `*` stands for anything. */
  readonly freeze?: readonly string[]
  /** What a worker may use for one replica; a model that needs more is refused before anything is built. */
  readonly maxMemoryBytes?: number
}

export interface TrainingProgram {
  /** ONNX bytes, each named by its CID. */
  readonly training: Uint8Array
  readonly evaluation: Uint8Array
  readonly sampling: Uint8Array
  readonly table: ParameterTable
  /** Null where it is not known before the program is built. */
  readonly memory: MemoryEstimate | null
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
  const { accumulate = 1 } = options
  assertDivides(accumulate, batch, 'accumulate', 'batch')
  const model = modelOf(batch)
  const part = modelOf(batch / accumulate)
  const optimizer = innerOptimizerOf(options.innerOptimizer ?? 'adamw', options.optimizer)
  const memory = part.memory && stepMemory(part.memory, accumulate, optimizer)
  if (memory !== null) assertFits(memory, options.maxMemoryBytes ?? defaultMaxMemoryBytes)
  const table = frozen(model.table, options.freeze ?? [])
  const training = encode(
    'training',
    model,
    table,
    (graph) => {
      const { params, loss, gradient, untrained, logitsShape } = appendBatchGradient(
        graph,
        part,
        table,
        accumulate,
      )
      graph.output('loss', loss)
      optimizer.append(withUntrained(graph, untrained, table), params, gradient, table)
      return logitsShape
    },
    optimizer,
  )
  const evaluation = encode('evaluation', model, table, (graph) => {
    const { loss, logits, targets } = appendLoss(graph, model, table)
    graph.output('loss', loss)
    if (model.task === 'classification') graph.output('accuracy', accuracy(graph, logits, targets))
    return logits.shape
  })
  const single = modelOf(1)
  const sampling = encode('sampling', single, table, (graph) => {
    const { parameter } = appendParameters(graph, table)
    const logits = single.logits(graph, appendInput(graph, 'inputs', single.inputs), parameter)
    graph.output('logits', logits)
    return logits.shape
  })
  return { training, evaluation, sampling, table, memory }
}

/** `append` gives the shape of the logits back. */
function encode(
  kind: ProgramKind,
  { task, inputs, targets, tokensPerStep }: Model,
  table: ParameterTable,
  append: (graph: Graph) => readonly number[],
  optimizer?: Optimizer,
): Uint8Array {
  const graph = createGraph()
  const logits = append(graph)
  const info: ProgramInfo = {
    ...{ kind, task, inputs, targets, tokensPerStep, table, logits },
    parameterCount: table.count,
    optimizerSlots: optimizer?.slots ?? [],
    betas: optimizer?.betas ?? [],
  }
  return encodeModel(fuse(graph.model(encodeInfo(info))))
}

/** Loss and logits of the whole batch at once. */
function appendLoss(graph: Graph, model: Model, table: ParameterTable) {
  const { parameter } = appendParameters(graph, table)
  const inputs = appendInput(graph, 'inputs', model.inputs)
  const targets = appendInput(graph, 'targets', model.targets)
  const logits = model.logits(graph, inputs, parameter)
  return { loss: model.loss(graph, logits, targets), logits, targets }
}
