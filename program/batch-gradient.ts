import { concatenate } from './concatenate.ts'
import { gradients } from './gradients.ts'
import type { Graph } from './graph.ts'
import { invalidModel } from './invalid-model.ts'
import type { Model } from './model.ts'
import { elements, type Value } from './operators/operator.ts'
import type { ParameterTable } from './parameter-table.ts'
import { appendInput, appendParameters } from './program-inputs.ts'

export interface BatchGradient {
  /** Flat, as the program is given them, without what is frozen. */
  readonly params: Value
  /** Mean loss over the batch, a scalar. */
  readonly loss: Value
  /** Its gradient: flat, in the table's order, zero of statistics, without what is frozen. */
  readonly gradient: Value
  /** What the step makes of the parameters that no optimizer trains, flat: they follow the trained ones. */
  readonly untrained: readonly Value[]
  /** Of the whole batch. */
  readonly logitsShape: readonly number[]
}

type Statistics = ReadonlyMap<string, Value>

interface BatchGradientOptions {
  /** Parts of equal size that the batch is taken in. */
  readonly parts: number
  /** Whether blocks are run again in the backward pass instead of being kept for it. */
  readonly recompute: boolean
  /** What the loss is multiplied by on the way back; the gradient is divided by it. */
  readonly lossScale: number
  /** Of the whole program. */
  readonly maxNodes: number
}

/**
 * Appends loss and gradient of a batch that is taken in parts, one after the other: what the forward pass keeps for the
 * backward pass is then that of one part. Loss, gradient and statistics are means over them.
 * @param part the model of one part's rows
 */
export function appendBatchGradient(
  graph: Graph,
  part: Model,
  table: ParameterTable,
  { parts, recompute, lossScale, maxNodes }: BatchGradientOptions,
): BatchGradient {
  const { params, parameter } = appendParameters(graph, table)
  const inputs = appendInput(graph, 'inputs', wholeOf(part.inputs, parts))
  const targets = appendInput(graph, 'targets', wholeOf(part.targets, parts))
  const values = table.parameters.filter(({ role }) => role === undefined).map(({ name }) => parameter(name))
  const statistics: Statistics[] = []
  const rowsOf = (batch: Value, rows: number, index: number) =>
    parts === 1 ? batch : rowsFrom(graph, batch, index * rows, rows)
  const scaled = (value: Value, by: number) =>
    by === 1 ? value : graph.node('Mul', [value, graph.scalar(by)])
  const losses = runningSum(graph)
  const gradient = runningSum(graph)
  let logitsShape: readonly number[] = []
  for (let index = 0; index < parts; index++) {
    const given = rowsOf(inputs, part.inputs.shape[0]!, index)
    const wanted = rowsOf(targets, part.targets.shape[0]!, index)
    const pass = part.trainingLogits?.(graph, given, parameter)
    const logits = pass?.logits ?? part.logits(graph, given, parameter)
    const loss = part.loss(graph, logits, wanted)
    const pieces = gradients(graph, scaled(loss, lossScale), values, recompute ? { given, logits } : null)
    gradient.add(flatGradient(graph, pieces, table))
    losses.add(loss)
    statistics.push(pass?.statistics ?? new Map())
    logitsShape = wholeOf(logits, parts).shape
    refuseMany(graph.nodesSoFar.length, index + 1, parts, maxNodes)
  }
  const mean = (total: Value) => scaled(total, 1 / parts)
  const untrained = table.parameters
    .filter(({ role }) => role === 'statistic')
    .map(({ name, shape }) => {
      const next = statistics.map((of) => of.get(name)).filter((value) => value !== undefined)
      const value =
        next.length === 0 ? parameter(name) : mean(next.reduce((a, b) => graph.node('Add', [a, b])))
      return graph.node('Reshape', [value, graph.ints([elements(shape)])])
    })
  const { movingCount, count } = table
  const piece = (from: number, to: number) =>
    graph.node('Slice', [params, graph.ints([from]), graph.ints([to])])
  const frozen = movingCount < count
  if (frozen) untrained.push(piece(movingCount, count))
  return {
    params: frozen ? piece(0, movingCount) : params,
    loss: mean(losses.total()),
    gradient: scaled(gradient.total(), 1 / parts / lossScale),
    untrained,
    logitsShape,
  }
}

/** Each part is written out: told after the first, which of them would be more nodes than a program may have. */
function refuseMany(nodes: number, done: number, parts: number, maxNodes: number): void {
  if ((nodes / done) * parts <= maxNodes) return
  const most = Math.max(1, Math.floor((maxNodes * done) / nodes))
  throw invalidModel(
    `train.accumulate ${parts} makes a program of more than ${maxNodes} nodes; at most ${most} parts of this model fit`,
    'lower train.accumulate',
  )
}

/**
 * As refuseMany, of the finished program: optimizer and casts to float16 make it longer than the parts told.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function assertPartsFit(
  nodes: number,
  { parts, maxNodes }: Pick<BatchGradientOptions, 'parts' | 'maxNodes'>,
  compute: 'f32' | 'f16',
): void {
  if (parts === 1 || nodes <= maxNodes) return
  const casts = compute === 'f16'
  throw invalidModel(
    `train.accumulate ${parts}${casts ? ' with train.compute f16' : ''} makes a program of ${nodes} nodes, more than ${maxNodes}`,
    casts ? 'lower train.accumulate, or set train.compute to f32' : 'lower train.accumulate',
  )
}

/**
 * Adds up values one behind the other. Each sum is written after the value that is added to it next: onnxruntime runs the
 * later of a node's two inputs first, so that it then finishes a sum before it begins with the next value.
 */
function runningSum(graph: Graph) {
  const waiting: Value[] = []
  const fold = (left: number) => {
    while (waiting.length > left) {
      const [sum, value] = waiting.splice(0, 2)
      waiting.unshift(graph.node('Add', [sum!, value!]))
    }
  }
  return {
    add(value: Value) {
      waiting.push(value)
      fold(2)
    },
    total(): Value {
      fold(1)
      return waiting[0]!
    },
  }
}

const wholeOf = <Signature extends Pick<Value, 'shape'>>(part: Signature, parts: number): Signature => ({
  ...part,
  shape: [part.shape[0]! * parts, ...part.shape.slice(1)],
})

/** `count` rows from the row `first` on. */
function rowsFrom(graph: Graph, batch: Value, first: number, count: number): Value {
  const bounds = [[first], [first + count], [0]].map((list) => graph.ints(list))
  return graph.node('Slice', [batch, ...bounds])
}

function flatGradient(graph: Graph, given: readonly Value[], table: ParameterTable): Value {
  const pieces = given.map((gradient) =>
    graph.node('Reshape', [gradient, graph.ints([elements(gradient.shape)])]),
  )
  const untrained = table.movingCount - table.trainedCount
  if (untrained > 0) pieces.push(graph.node('Expand', [graph.scalar(0), graph.ints([untrained])]))
  return concatenate(graph, pieces)
}

/**
 * A graph whose `next_params` ends with what the step makes of the untrained parameters. Without a gradient, an
 * optimizer leaves statistics as they are: what it gives for them is what is replaced. It does not see what is frozen.
 */
export function withUntrained(
  graph: Graph,
  untrained: readonly Value[],
  { trainedCount, movingCount }: ParameterTable,
): Graph {
  if (untrained.length === 0) return graph
  const ending = (params: Value): Value => {
    const trained =
      trainedCount === movingCount
        ? params
        : graph.node('Slice', [params, graph.ints([0]), graph.ints([trainedCount])])
    return concatenate(graph, [trained, ...untrained])
  }
  return {
    ...graph,
    output: (name, value) => graph.output(name, name === 'next_params' ? ending(value) : value),
  }
}
