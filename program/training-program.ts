import { concatenate } from './concatenate.ts'
import { gradients } from './gradients.ts'
import { createGraph, type Graph } from './graph.ts'
import { accuracy } from './losses.ts'
import { assertFits, type MemoryEstimate } from './memory.ts'
import type { Model } from './model.ts'
import { type InnerOptimizer, type ModelSpec, modelOf } from './model-spec.ts'
import { encodeModel } from './onnx/model-proto.ts'
import { elements, type Value } from './operators/operator.ts'
import { type AdamWOptions, adamSlots, appendAdamW } from './optimizers/adamw.ts'
import { appendMuon, defaultMuon, type MuonOptions } from './optimizers/muon.ts'
import type { ParameterTable } from './parameter-table.ts'
import { encodeInfo, type ProgramInfo, type ProgramKind, type TensorSignature } from './program-info.ts'

export interface ProgramOptions {
  /** What takes the inner steps; AdamW by default. */
  readonly innerOptimizer?: InnerOptimizer
  /** Its constants, where they are not the defaults. */
  readonly optimizer?: Partial<MuonOptions>
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
 * Training: inputs `params` f32[N], `inputs` and `targets` as the model has them (a GPT: i64[B,T] both), `adam_m`,
 * `adam_v` f32[N], scalars `learning_rate`, `bias1`, `bias2`; outputs `loss`, `next_params`, `next_adam_m`,
 * `next_adam_v`, `grad_norm`. Evaluation: `params`, `inputs`, `targets` → `loss`, and `accuracy` of a classification.
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
  const model = modelOf(batch)
  const { memory } = model
  if (memory !== null) assertFits(memory, options.maxMemoryBytes ?? defaultMaxMemoryBytes)
  const { table } = model
  const { innerOptimizer = 'adamw' } = options
  const optimizer = { ...defaultMuon, ...options.optimizer }
  const training = encode(
    'training',
    model,
    table,
    (graph) => {
      const { params, gradient, logits } = appendGradient(graph, model, table)
      const append = innerOptimizer === 'muon' ? appendMuon : appendAdamW
      append(graph, params, gradient, table, optimizer)
      return logits
    },
    optimizer,
  )
  const evaluation = encode('evaluation', model, table, (graph) => {
    const { loss, logits, targets } = appendLoss(graph, model, table)
    graph.output('loss', loss)
    if (model.task === 'classification') graph.output('accuracy', accuracy(graph, logits, targets))
    return logits
  })
  const single = modelOf(1)
  const sampling = encode('sampling', single, table, (graph) => {
    const { parameter } = appendParameters(graph, table)
    const logits = single.logits(graph, appendInput(graph, 'inputs', single.inputs), parameter)
    graph.output('logits', logits)
    return logits
  })
  return { training, evaluation, sampling, table, memory }
}

/** `append` gives the logits back. */
function encode(
  kind: ProgramKind,
  { task, inputs, targets, tokensPerStep }: Model,
  table: ParameterTable,
  append: (graph: Graph) => Value,
  optimizer?: AdamWOptions,
): Uint8Array {
  const graph = createGraph()
  const logits = append(graph)
  const info: ProgramInfo = {
    ...{ kind, task, inputs, targets, tokensPerStep, table },
    logits: logits.shape,
    parameterCount: table.count,
    optimizerSlots: optimizer ? adamSlots : [],
    betas: optimizer ? [optimizer.beta1, optimizer.beta2] : [],
  }
  return encodeModel(graph.model(encodeInfo(info)))
}

/** Gives out the loss; the gradient is flat, in the table's order. */
function appendGradient(graph: Graph, model: Model, table: ParameterTable) {
  const { loss, logits, params, parameter } = appendLoss(graph, model, table)
  graph.output('loss', loss)
  const values = table.parameters.map(({ name }) => parameter(name))
  const flat = gradients(graph, loss, values).map((gradient) =>
    graph.node('Reshape', [gradient, graph.ints([elements(gradient.shape)])]),
  )
  return { params, logits, gradient: concatenate(graph, flat) }
}

/** The flat vector and its pieces, each sliced once. */
function appendParameters(graph: Graph, table: ParameterTable) {
  const params = graph.input('params', 'float32', [table.count])
  const pieces = new Map<string, Value>()
  for (const { name, shape, offset } of table.parameters) {
    const piece = graph.node('Slice', [params, graph.ints([offset]), graph.ints([offset + elements(shape)])])
    pieces.set(name, graph.node('Reshape', [piece, graph.ints(shape)]))
  }
  return { params, parameter: (name: string) => pieces.get(name)! }
}

const appendInput = (graph: Graph, name: string, { type, shape }: TensorSignature): Value =>
  graph.input(name, type, shape)

function appendLoss(graph: Graph, model: Model, table: ParameterTable) {
  const { params, parameter } = appendParameters(graph, table)
  const inputs = appendInput(graph, 'inputs', model.inputs)
  const targets = appendInput(graph, 'targets', model.targets)
  const logits = model.logits(graph, inputs, parameter)
  return { loss: model.loss(graph, logits, targets), logits, targets, params, parameter }
}
