import { matches, namesOf } from '../frozen.ts'
import { createGraph } from '../graph.ts'
import { invalidModel } from '../invalid-model.ts'
import type { Model } from '../model.ts'
import type { Value } from '../operators/operator.ts'
import { layOut, type Parameter, type ParameterTable } from '../parameter-table.ts'
import { adapterNames } from './adapter-names.ts'
import { type Weight, watchWeights } from './weight-products.ts'

export interface LoraOptions {
  /** r: columns of A, rows of B. */
  readonly rank: number
  /** α: what A·B adds is scaled by α/r. */
  readonly alpha: number
  /** Names of the matrices that are adapted, `*` for anything; absent or null: the model's own choice, or all. */
  readonly targets?: readonly string[] | null
}

/** W + α/r · left · right, with the factors in the layout that W is stored in. */
interface Adapter {
  readonly parameter: string
  readonly left: string
  readonly right: string
}

export interface Adapters {
  /** By the name of the adapted parameter. */
  readonly byParameter: ReadonlyMap<string, Adapter>
  /** Factors first, then all of the model's own parameters, which are frozen. */
  readonly table: ParameterTable
  /** α/r. */
  readonly scale: number
  /** Values of all products with A, of one row. */
  readonly innerWidth: number
}

/**
 * Which matrices of a model get a pair of factors (Hu et al., "LoRA", arXiv 2106.09685, §4.1). A, on the side of the
 * inputs, starts as the paper's code has it but normal instead of uniform, with its deviation 1/√(3 · inputs); B at zero.
 * @throws MurmurError MODEL_INVALID (exit `usage`): a rank beyond a matrix's sides, a target that is no such matrix.
 */
export function adaptersOf(model: Model, { rank, alpha, targets }: LoraOptions): Adapters {
  if (!(Number.isInteger(rank) && rank >= 1))
    throw invalidModel(`lora.rank is ${rank}, it has to be a whole number from 1`)
  if (!(Number.isFinite(alpha) && alpha > 0))
    throw invalidModel(`lora.alpha is ${alpha}, it has to be positive`)
  const chosen = chooseMatrices(model, targets ?? model.loraTargets ?? ['*'])
  const factors: Omit<Parameter, 'offset'>[] = []
  const byParameter = new Map<string, Adapter>()
  for (const { name, shape, transposed } of chosen) {
    const [rows, columns] = shape as [number, number]
    if (rank > Math.min(rows, columns))
      throw invalidModel(
        `lora.rank ${rank} is more than a side of ${name} [${shape}]: at most ${Math.min(rows, columns)}`,
      )
    const inputs = transposed ? columns : rows
    const { a, b } = adapterNames(name, transposed)
    const [left, right] = transposed ? [b, a] : [a, b]
    const normal = { kind: 'normal', std: 1 / Math.sqrt(3 * inputs) } as const
    const initOf = (factor: string) => (factor === a ? normal : ({ kind: 'zeros' } as const))
    factors.push({ name: left, shape: [rows, rank], init: initOf(left), decay: true })
    factors.push({ name: right, shape: [rank, columns], init: initOf(right), decay: true })
    byParameter.set(name, { parameter: name, left, right })
  }
  const own = model.table.parameters.map(({ offset, ...parameter }) => ({
    ...parameter,
    decay: false,
    role: 'frozen' as const,
  }))
  checkNames(factors, own)
  const table = layOut([...factors, ...own])
  return { byParameter, table, scale: alpha / rank, innerWidth: rank * chosen.length }
}

interface Matrix {
  readonly name: string
  readonly shape: readonly number[]
  /** Stored as [outputs, inputs]. */
  readonly transposed: boolean
}

function chooseMatrices(model: Model, patterns: readonly string[]): readonly Matrix[] {
  const matrices = findMatrices(model)
  for (const pattern of patterns) {
    if (matrices.some(({ name }) => matches(pattern, name))) continue
    const there = matrices.length === 0 ? 'there is none' : `they are ${namesOf(matrices)}`
    throw invalidModel(
      `lora.targets has ${pattern}, which is no matrix that is only multiplied with: ${there}`,
    )
  }
  return matrices.filter(({ name }) => patterns.some((pattern) => matches(pattern, name)))
}

/** Parameters whose every use is a product from the right, found by writing the forward pass into a graph that is thrown away. */
function findMatrices(model: Model): readonly Matrix[] {
  const graph = createGraph()
  const stands = new Map(
    model.table.parameters.map(({ name, shape }) => [
      name,
      graph.input(`parameter ${name}`, 'float32', shape),
    ]),
  )
  const weights = new Map<string, Weight>()
  for (const { name, shape } of model.table.parameters)
    if (shape.length === 2) weights.set(stands.get(name)!.name, { name, transposed: false })
  const multiplied = new Map<string, boolean>()
  const others = new Set<string>()
  const watched = watchWeights(graph, weights, {
    product: (_, { weight, value }) => {
      // Of a matrix that is used both ways, the first says which side its inputs are on.
      if (!multiplied.has(weight.name)) multiplied.set(weight.name, weight.transposed)
      return value
    },
    otherUse: (weight) => others.add(weight),
  })
  const { type, shape } = model.inputs
  const parameter = (name: string): Value => stands.get(name)!
  model.logits(watched, graph.input('inputs', type, shape), parameter)
  return model.table.parameters.flatMap((one) => {
    const transposed = multiplied.get(one.name)
    const trained = one.role === undefined && !others.has(one.name)
    return transposed === undefined || !trained ? [] : [{ name: one.name, shape: one.shape, transposed }]
  })
}

/** By a factor's name it is known later whose it is (merge.ts): the model's own parameters must not have such names. */
function checkNames(
  factors: readonly Omit<Parameter, 'offset'>[],
  own: readonly Omit<Parameter, 'offset'>[],
): void {
  const taken = new Set(own.map(({ name }) => name))
  for (const { name } of own) {
    for (const transposed of [false, true]) {
      const { a, b } = adapterNames(name, transposed)
      if (taken.has(a) || taken.has(b)) throw invalidModel(`the model has factors beside ${name} already`)
    }
  }
  for (const { name } of factors)
    if (name.length > 200) throw invalidModel(`an adapter would be called ${name.slice(0, 60)}…: too long`)
}
