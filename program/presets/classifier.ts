import type { Graph } from '../graph.ts'
import { assertPositive, invalidModel } from '../invalid-model.ts'
import { crossEntropy, meanSquaredError } from '../losses.ts'
import type { Model } from '../model.ts'
import type { Value } from '../operators/operator.ts'
import type { ParameterTable } from '../parameter-table.ts'
import { type CnnShape, cnnLogits, cnnParameters } from './cnn.ts'
import { type MlpShape, mlpLogits, mlpParameters } from './mlp.ts'

/** Softmax regression: one matrix and a bias. */
export interface LinearShape {
  readonly features: number
  readonly classes: number
}

export type ClassifierShape =
  | ({ readonly preset: 'linear' } & LinearShape)
  | ({ readonly preset: 'mlp' } & MlpShape)
  | ({ readonly preset: 'cnn' } & CnnShape)

type ValuesOf<Shape> = Shape extends ClassifierShape
  ? Omit<Shape, 'classes'> & { /** Values told of a row. */ readonly outputs: number }
  : never

/** As a classifier, but for values in place of logits. */
export type RegressorShape = ValuesOf<ClassifierShape>

/** Hidden layers, or blocks of convolution: deeper ones want residual connections, which these have not. */
const maxLayers = 32

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function classifierParameters(shape: ClassifierShape): ParameterTable {
  assertSensible(shape)
  switch (shape.preset) {
    case 'linear':
      return mlpParameters({ ...shape, hidden: [] })
    case 'mlp':
      return mlpParameters(shape)
    case 'cnn':
      return cnnParameters(shape)
    default:
      return shape satisfies never
  }
}

/** Values of a row: an image's are in the order channels, height, width. */
const featuresOf = (shape: ClassifierShape): number =>
  shape.preset === 'cnn' ? shape.channels * shape.height * shape.width : shape.features

/**
 * Appends the forward pass. B rows, F features, K classes.
 * @param rows float32 [B, F]
 * @returns logits [B, K]
 */
function classifierLogits(
  graph: Graph,
  shape: ClassifierShape,
  rows: Value,
  parameter: (name: string) => Value,
): Value {
  switch (shape.preset) {
    case 'linear':
      return mlpLogits(graph, { ...shape, hidden: [] }, rows, parameter)
    case 'mlp':
      return mlpLogits(graph, shape, rows, parameter)
    case 'cnn':
      return cnnLogits(graph, shape, rows, parameter)
    default:
      return shape satisfies never
  }
}

/**
 * A model of `batch` rows a step.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function classifier(shape: ClassifierShape, batch: number): Model {
  assertPositive({ batch })
  return {
    task: 'classification',
    inputs: { type: 'float32', shape: [batch, featuresOf(shape)] },
    targets: { type: 'int64', shape: [batch] },
    tokensPerStep: batch,
    table: classifierParameters(shape),
    memory: null,
    logits: (graph, rows, parameter) => classifierLogits(graph, shape, rows, parameter),
    loss: crossEntropy,
  }
}

/**
 * As `classifier`, of a regression: float32 targets [B, V], and their mean squared error for a loss.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function regressor({ outputs, ...shape }: RegressorShape, batch: number): Model {
  assertPositive({ outputs })
  return {
    ...classifier({ ...shape, classes: outputs }, batch),
    task: 'regression',
    targets: { type: 'float32', shape: [batch, outputs] },
    loss: meanSquaredError,
  }
}

function assertSensible(shape: ClassifierShape): void {
  const { preset, ...sizes } = shape
  for (const [name, value] of Object.entries(sizes)) {
    const list: readonly number[] = typeof value === 'number' ? [value] : value
    if (list.length > maxLayers)
      throw invalidModel(`${name} has ${list.length} entries, at most ${maxLayers}`)
    for (const size of list) assertPositive({ [name]: size })
  }
  if (preset !== 'cnn') return
  if (shape.filters.length === 0) throw invalidModel('filters is empty: use the preset mlp')
  const least = 2 ** shape.filters.length
  if (Math.min(shape.height, shape.width) < least)
    throw invalidModel(
      `${shape.filters.length} blocks halve an image of ${shape.height} × ${shape.width} away`,
    )
}
