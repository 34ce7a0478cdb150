import { createGraph, type Graph } from '../graph.ts'
import { assertPositive } from '../invalid-model.ts'
import type { Model } from '../model.ts'
import { elements, type Value } from '../operators/operator.ts'
import type { ParameterTable } from '../parameter-table.ts'
import type { TensorSignature } from '../program-info.ts'
import { type ChosenLoss, chosenLoss, type LossKind } from './chosen-loss.ts'
import type { ForeignInput, ForeignModel, ForeignNode } from './foreign-model.ts'
import { interpret } from './interpret.ts'
import { liveNodes } from './live-nodes.ts'
import { isConstant, type Operand, type OperandWriter, operandWriter, type Tensor } from './operand.ts'
import { findParameters, type ImportedParameters } from './parameters.ts'
import { shown, unsupportedOnnx } from './refusal.ts'
import { batched, fixedBatch, graphParts, signatureOf, taskOf } from './signature.ts'

export interface ImportOptions {
  /** For a graph without a loss of its own. By default `cross_entropy` beside tokens; beside values it must be given. */
  readonly loss?: LossKind | undefined
}

export interface ImportedModel {
  readonly table: ParameterTable
  /** Rows that the file was exported for; null where any number will do. */
  readonly batch: number | null
  /** Operators of training that are left out, each by the name of its node. */
  readonly leftOut: readonly string[]
  /** Parameters and constants in which a large negative number stands for −∞. */
  readonly masks: readonly string[]
  /** The file's weights as a flat vector of a table that has these parameters in any order; by default, of `table`. */
  weights(layout?: ParameterTable): Float32Array
  /**
   * The model for a batch of so many rows.
   * @throws MurmurError MODEL_INVALID, ONNX_UNSUPPORTED (exit `usage`).
   */
  modelOf(batch: number): Model
}

/**
 * An ONNX graph of a forward pass, or of a loss, as a model that programs can be built of.
 * @throws MurmurError ONNX_MALFORMED, ONNX_UNSUPPORTED (exit `usage`), naming the node, input or initializer.
 */
export function importModel(file: ForeignModel, options: ImportOptions = {}): ImportedModel {
  const signature = signatureOf(file)
  const live = liveNodes(file, [signature.output])
  const parameters = findParameters(file, live)
  const { byValue, table } = parameters
  const parts = graphParts(live, signature, (name) => byValue.has(name))
  const used = new Set([...live.flatMap(({ inputs }) => inputs), signature.output])
  const fixed = fixedBatch(signature)
  const constants = constantsOf(file, live, parameters)

  const run = (
    graph: Graph,
    nodes: readonly ForeignNode[],
    names: Map<string, Operand>,
    training: boolean,
    statistics = new Map<string, Value>(),
  ): OperandWriter => {
    const writer = operandWriter(graph)
    const owners = new Map([...names].map(([name, operand]) => [operand, name]))
    const updates = (statistic: Tensor, next: Tensor) => {
      const owner = owners.get(statistic)
      if (owner === undefined || !byValue.has(owner))
        throw new Error('its statistics are not stored in the file')
      statistics.set(byValue.get(owner)!, writer.value(next))
    }
    interpret(nodes, names, { writer, training, used, updates })
    return writer
  }
  const outputOf = (names: ReadonlyMap<string, Operand>, name: string, writer: OperandWriter): Value => {
    const operand = names.get(name)
    if (operand === undefined || 'items' in operand || isConstant(operand))
      throw unsupportedOnnx(`its output ${shown(name)} does not depend on its input`)
    return writer.value(operand)
  }

  /** The forward pass of as many rows as the file can take: a file of a fixed batch is fed the rows again and again. */
  const forward = (
    graph: Graph,
    inputs: Value,
    parameter: (name: string) => Value,
    statistics?: Map<string, Value>,
  ): Value => {
    const rows = inputs.shape[0]!
    const repeated = fixed !== null && fixed !== rows
    if (repeated && rows !== 1)
      throw unsupportedOnnx(
        `it was exported for batches of ${fixed} rows, not ${rows}`,
        'export it with a dynamic first axis',
      )
    const fed = repeated
      ? graph.node('Expand', [inputs, graph.ints([fixed, ...inputs.shape.slice(1)])])
      : inputs
    const names = new Map<string, Operand>(constants)
    for (const [value, name] of byValue) names.set(value, parameter(name))
    names.set(signature.data.name, fed)
    if (signature.targets !== null)
      names.set(signature.targets.name, shapeOnly(signature.targets, fed.shape[0]!))
    const writer = run(graph, parts.forward, names, statistics !== undefined, statistics)
    const logits = outputOf(names, parts.logits, writer)
    if (!repeated) return logits
    // A batch of copies has no variance of its own to normalize by.
    if (statistics !== undefined && statistics.size > 0)
      throw unsupportedOnnx(
        `it was exported for batches of ${fixed} rows, and BatchNormalization cannot train on one`,
        `export it with a dynamic first axis, or set train.batch to ${fixed} and train.accumulate to 1`,
      )
    if (logits.shape[0] !== fixed) throw unsupportedOnnx('its output has not one row for each of its input')
    return graph.node('Slice', [logits, graph.ints([0]), graph.ints([rows]), graph.ints([0])])
  }

  const ownLoss = (graph: Graph, logits: Value, targets: Value): Value => {
    const names = new Map<string, Operand>(constants)
    // What the loss takes of constants and shapes is computed with it again.
    names.set(parts.logits, logits)
    names.set(signature.targets!.name, targets)
    const writer = run(graph, [...independent(parts.forward, names), ...parts.loss], names, false)
    const loss = outputOf(names, signature.output, writer)
    if (loss.type !== 'float32' || elements(loss.shape) !== 1)
      throw unsupportedOnnx(`its loss is ${loss.type}[${loss.shape}], not one number`)
    return loss.shape.length === 0
      ? loss
      : graph.node('Squeeze', [loss, graph.ints(loss.shape.map((_, axis) => axis))])
  }

  return {
    table,
    batch: fixed,
    leftOut: live.filter(({ opType }) => opType === 'Dropout').map(({ name }) => name),
    masks: parameters.masks,
    weights: parameters.weights,
    modelOf: (batch) => {
      assertPositive({ batch })
      const inputs = batched(signature.data, batch)
      const shape = logitsShape(inputs, table, forward)
      const { task, targets, rows, loss } =
        signature.targets === null
          ? chosenLoss(lossKind(options, inputs), inputs, shape)
          : givenLoss(inputs, batched(signature.targets, batch), ownLoss)
      return {
        task,
        inputs,
        targets,
        tokensPerStep: task === 'language' ? elements(inputs.shape) : batch,
        table,
        memory: null,
        logits: (graph, given, parameter) => rows(graph, forward(graph, given, parameter)),
        trainingLogits: (graph, given, parameter) => {
          const statistics = new Map<string, Value>()
          return { logits: rows(graph, forward(graph, given, parameter, statistics)), statistics }
        },
        loss,
      }
    },
  }
}

/** Stands for the targets in the forward pass, which reads nothing of them but their shape. */
const shapeOnly = (targets: ForeignInput, batch: number): Value => ({
  name: 'targets of the file',
  ...batched(targets, batch),
})

/** Initializers that are not parameters, masks among them made finite; read here, so that they are decoded once. */
function constantsOf(
  { initializers }: ForeignModel,
  live: readonly ForeignNode[],
  { byValue, constantMasks }: Pick<ImportedParameters, 'byValue' | 'constantMasks'>,
): ReadonlyMap<string, Operand> {
  const read = new Set(live.flatMap(({ inputs }) => inputs))
  const constants = new Map<string, Operand>()
  for (const [name, tensor] of initializers)
    if (read.has(name) && !byValue.has(name)) constants.set(name, (constantMasks.get(name) ?? tensor).read())
  return constants
}

/** Nodes of the forward pass that need nothing but constants and what is named already. */
function independent(
  nodes: readonly ForeignNode[],
  names: ReadonlyMap<string, Operand>,
): readonly ForeignNode[] {
  const known = new Set(['', ...names.keys()])
  return nodes.filter(({ inputs, outputs }) => {
    if (outputs.some((name) => known.has(name)) || !inputs.every((name) => known.has(name))) return false
    for (const name of outputs) known.add(name)
    return true
  })
}

/** Found by writing the pass once into a graph that is thrown away. */
function logitsShape(
  inputs: TensorSignature,
  { parameters }: ParameterTable,
  forward: (graph: Graph, inputs: Value, parameter: (name: string) => Value) => Value,
): Value {
  const graph = createGraph()
  const stands = new Map(
    parameters.map(({ name, shape }) => [name, graph.input(`parameter ${name}`, 'float32', shape)]),
  )
  return forward(graph, graph.input('inputs', inputs.type, inputs.shape), (name) => stands.get(name)!)
}

function lossKind({ loss }: ImportOptions, inputs: TensorSignature): LossKind {
  if (loss !== undefined) return loss
  if (inputs.type === 'int64') return 'cross_entropy'
  throw unsupportedOnnx(
    'it computes no loss, and its input does not tell which one is meant',
    'set model.loss to cross_entropy or mse',
  )
}

const givenLoss = (
  inputs: TensorSignature,
  targets: TensorSignature,
  loss: ChosenLoss['loss'],
): ChosenLoss => ({ task: taskOf(inputs, targets), targets, rows: (_, logits) => logits, loss })
