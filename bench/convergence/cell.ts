import { createHash } from 'node:crypto'

/** One training run of the bench: everything that decides its result. */
export interface Cell {
  readonly task: TaskName
  readonly seed: number
  /** Inner steps of every worker: all cells of a group see the same tokens, R · steps batches. */
  readonly steps: number
  readonly workers: number
  readonly inner: Inner
  /** How the workers average; `every-step` is synchronous data parallelism. */
  readonly sync: 'every-step' | Sync
}

export type TaskName = 'test' | 'micro' | 'mini' | 'gpt' | 'mnist' | 'mnist-by-label'

/** Constants that are left out are those of the optimizer (program/optimizers/). */
export interface Inner {
  readonly optimizer: 'adamw' | 'muon' | 'normuon'
  /** Its peak; half a cosine takes it down. */
  readonly learningRate: number
  /** Where to, as a part of the peak: a tenth where it is left out. */
  readonly finalLearningRate?: number
  readonly warmupSteps: number
  /** Of AdamW's first moment, and of Muon's and NorMuon's momentum. */
  readonly momentum?: number
}

/** The same in every round, or going from one value to another as a power of what is done. */
export type Course = number | { readonly from: number; readonly to: number }

export interface Sync {
  /**
   * blocking: everyone waits for the average (DiLoCo, arXiv 2311.08105). eager: the next round starts with the worker's
   * own part of it, the others' is in a round later (arXiv 2502.12996). streaming: a quarter of the parameters at a time
   * (arXiv 2501.18512).
   */
  readonly when: 'blocking' | 'eager' | 'streaming'
  /** H. */
  readonly innerSteps: Course
  readonly codec: CodecSpec
  /** Where the head sends a round's average: values kept of each 4,096 of it (aggregation/shared-average.ts). */
  readonly averageTopK?: number
  /** SGD, or Nesterov when there is momentum. */
  readonly outer: { readonly learningRate: number; readonly momentum: number }
  /** How the last sync of all codes and steps, where it is another way: nothing mends what that one leaves out. */
  readonly last?: { readonly codec: CodecSpec; readonly learningRate: number }
  /**
   * What of Δ was not sent yet. held: kept aside as error feedback, so that a round starts from the common θ. trained:
   * left in the worker's own copy, so that a round starts from θ − e.
   */
  readonly residual: 'held' | 'trained'
  /** The inner optimizer's first moment where a round starts. */
  readonly firstMoment: 'kept' | 'zeroed'
}

export type CodecSpec =
  | { readonly kind: 'f32' }
  /** Blocks of 128 values; β is the decay of the error feedback. */
  | { readonly kind: 'int8' | 'int4'; readonly beta: number }
  /** Blocks of 4,096 where none is given. */
  | { readonly kind: 'sign'; readonly beta: number; readonly blockSize?: number }
  /** SparseLoCo (arXiv 2508.15706): k of every 4,096 values, their places Rice-coded. */
  | { readonly kind: 'sparse'; readonly k: Course; readonly beta: number }

/** Names a cell's result on disk: the hash of its canonical JSON. */
export const keyOf = (cell: Cell): string =>
  createHash('sha256').update(canonical(cell)).digest('hex').slice(0, 20)

/** JSON without what is undefined, keys in order. Cells have no arrays. */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${sorted.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`
}

/** The course's value once `done` of 1 is done. */
export const along = (course: Course, done: number): number =>
  typeof course === 'number' ? course : course.from * (course.to / course.from) ** done
