import { concatenate } from '../concatenate.ts'
import type { Graph } from '../graph.ts'
import { elements, int, type Value } from '../operators/operator.ts'
import type { Parameter, ParameterTable } from '../parameter-table.ts'
import {
  type AdamStep,
  type AdamWOptions,
  adamNext,
  adamSlots,
  adamStep,
  defaultAdamW,
  optimizerInputs,
} from './adamw.ts'
import { clipping, giveOut, type Optimizer } from './optimizer.ts'

export interface MuonOptions extends AdamWOptions {
  /** Decay of the matrices' momentum. */
  readonly momentum: number
  /** Newton–Schulz iterations. */
  readonly iterations: number
  /**
   * Root mean square of a matrix's step at learning rate 1. At 0.2 it is what AdamW's usually is, so that one learning
   * rate serves both halves (Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982, equation 4).
   */
  readonly stepSize: number
  /**
   * NorMuon (Li et al., arXiv 2510.05491): orthogonal rows and columns cannot all be of one length unless the matrix is square, so
   * those of its longer side are brought to one, by their own length instead of the paper's running mean of it; and matrices that
   * lie in one parameter are each orthogonalized for themselves.
   */
  readonly normalized: boolean
}

export const defaultMuon: MuonOptions = {
  ...defaultAdamW,
  ...{ momentum: 0.9, iterations: 5, stepSize: 0.2, normalized: false },
}
export const defaultNorMuon: MuonOptions = { ...defaultMuon, normalized: true }

/** a, b, c of X ← aX + (bA + cA²)X with A = XXᵀ (Jordan et al. 2024): steep at 0, so that five iterations are enough. */
export const newtonSchulz = [3.4445, -4.775, 2.0315] as const

/** Added to a norm before it divides: a matrix without a gradient then makes a step of nothing. */
export const normFloor = 1e-7

/** Added to the length of a row or column before it divides, which is √(shorter / longer side) on average: what is noise stays small. */
export const lengthFloor = 1e-3

/**
 * The matrices that Muon trains: those between embeddings and head. Both of these, biases and norms go to AdamW, as the
 * method's authors advise: a row of an embedding is a token's own, not a map whose directions should all be used.
 */
export const takesMuon = ({ name, shape, role }: Parameter): boolean =>
  role === undefined && shape.length === 2 && !endOfModel.test(name)

/** Embeddings and heads by the names that they have here and in the field's models (GPT-2, Llama). */
const endOfModel = /(^|\.)(head|lm_head|wte|wpe|embed_tokens|\w*embeddings?)(\.weight)?$/

/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the hidden matrices and AdamW for the rest, with the
 * inputs and outputs of AdamW: a matrix keeps its momentum where AdamW has the first
 * moment and carries its part of the second along unused. G is clipped by the norm of the whole gradient.
 *
 *     M ← μM + G        O = NewtonSchulz(G + μM)        W ← W(1 − ηλ) − η · s · √max(rows, columns) · O
 *
 * Normalized, with o the rows of O, or its columns where there are more of them: o ← √min(rows, columns) / ‖o‖ · o in place of
 * √max(rows, columns) · O, so that each has the root mean square s.
 */
export const muon = (options: MuonOptions): Optimizer => ({
  slots: adamSlots,
  // Its orthogonal matrices wait for each other.
  workVectors: 7,
  betas: [options.beta1, options.beta2],
  append: (graph, params, gradient, table) => appendMuon(graph, params, gradient, table, options),
})

function appendMuon(
  graph: Graph,
  params: Value,
  gradient: Value,
  table: ParameterTable,
  options: MuonOptions,
): void {
  const { m, v, scalars } = optimizerInputs(graph, table)
  const { squares, norm, clip } = clipping(graph, gradient, options.clipNorm)
  const steps = runsOf(table).map(({ muon, parameters, start, end }): AdamStep => {
    const part = (flat: Value) => graph.node('Slice', [flat, graph.ints([start]), graph.ints([end])])
    if (!muon) {
      const vectors = { gradient: part(gradient), squares: part(squares), m: part(m), v: part(v) }
      return adamStep(graph, vectors, { ...scalars, clip }, options)
    }
    const clipped = graph.node('Mul', [part(gradient), clip])
    const momentum = graph.scalar(options.momentum)
    const nextM = graph.node('Add', [graph.node('Mul', [part(m), momentum]), clipped])
    const ahead = graph.node('Add', [clipped, graph.node('Mul', [nextM, momentum])])
    const updates = parameters.map(({ shape, offset, joined }) => {
      const [from, to] = [offset - start, offset - start + elements(shape)]
      const piece = graph.node('Slice', [ahead, graph.ints([from]), graph.ints([to])])
      const whole = graph.node('Reshape', [piece, graph.ints(shape)])
      const directions = apart(graph, whole, options.normalized ? joined : undefined).map((matrix) =>
        direction(graph, matrix, scalars.learningRate, options),
      )
      const update =
        directions.length > 1 ? graph.node('Concat', directions, { axis: int(1) }) : directions[0]!
      return graph.node('Reshape', [update, graph.ints([to - from])])
    })
    return { update: concatenate(graph, updates), nextM, nextV: part(v) }
  })
  const whole = (name: keyof AdamStep) =>
    concatenate(
      graph,
      steps.map((step) => step[name]),
    )
  const update = whole('update')
  const step = { update, next: adamNext(whole('nextM'), whole('nextV')), norm }
  giveOut(graph, params, step, scalars.learningRate, table, options.weightDecay)
}

interface Run {
  readonly muon: boolean
  readonly parameters: Parameter[]
  readonly start: number
  end: number
}

/** Neighbours in the flat vector that one optimizer trains. */
function runsOf({ parameters }: ParameterTable): readonly Run[] {
  const runs: Run[] = []
  for (const parameter of parameters) {
    const muon = takesMuon(parameter)
    const end = parameter.offset + elements(parameter.shape)
    const last = runs.at(-1)
    if (last?.muon === muon) {
      last.parameters.push(parameter)
      last.end = end
    } else {
      runs.push({ muon, parameters: [parameter], start: parameter.offset, end })
    }
  }
  return runs
}

/** The matrices of `columns` each that lie side by side in one. */
function apart(graph: Graph, matrix: Value, columns: readonly number[] | undefined): Value[] {
  if (columns === undefined) return [matrix]
  let end = 0
  return columns.map((width) => {
    end += width
    return graph.node('Slice', [matrix, graph.ints([end - width]), graph.ints([end]), graph.ints([1])])
  })
}

/** What a matrix moves by. */
function direction(
  graph: Graph,
  ahead: Value,
  learningRate: Value,
  { iterations, stepSize, normalized }: MuonOptions,
): Value {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const scale = (side: number) => graph.scalar(stepSize * Math.sqrt(side))
  const matrix = orthogonalized(graph, ahead, iterations)
  const [rows, columns] = matrix.shape as [number, number]
  if (!normalized) return op('Mul', matrix, op('Mul', learningRate, scale(Math.max(rows, columns))))
  const along = graph.ints([rows > columns ? 1 : 0])
  const squares = graph.node('ReduceSum', [op('Mul', matrix, matrix), along], { keepdims: int(1) })
  const lengths = op('Add', op('Sqrt', squares), graph.scalar(lengthFloor))
  return op('Mul', op('Mul', matrix, op('Div', scale(Math.min(rows, columns)), lengths)), learningRate)
}

/**
 * UVᵀ of X = USVᵀ, nearly: after five iterations the singular values lie between about 0.7 and 1.2, which does as well.
 * XXᵀ is taken over the shorter side.
 */
function orthogonalized(graph: Graph, matrix: Value, iterations: number): Value {
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const [a, b, c] = newtonSchulz.map(graph.scalar)
  const tall = matrix.shape[0]! > matrix.shape[1]!
  const norm = op('Sqrt', graph.node('ReduceSum', [op('Mul', matrix, matrix)], { keepdims: int(0) }))
  let x = op('Div', matrix, op('Add', norm, graph.scalar(normFloor)))
  for (let iteration = 0; iteration < iterations; iteration++) {
    const square = graph.node('Gemm', [x, x], tall ? { transA: int(1) } : { transB: int(1) })
    const polynomial = op('Add', op('Mul', square, b!), op('Mul', op('MatMul', square, square), c!))
    const scaled = op('Mul', x, a!)
    x = tall ? op('Gemm', x, polynomial, scaled) : op('Gemm', polynomial, x, scaled)
  }
  return x
}
