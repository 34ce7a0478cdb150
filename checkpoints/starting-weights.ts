import type { RunModel } from '../program/run-model.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { type FetchBlockByCid, fetchWeights } from './weights-file.ts'

/**
 * θ before round 0, in the order of the program's table: the weights that the run names, or a pure function of its seed.
 * @throws what `fetchWeights` throws.
 */
export const startingWeights = async (
  { init, train }: Pick<RunSpec, 'init' | 'train'>,
  { table, initialWeights }: Pick<RunModel, 'table' | 'initialWeights'>,
  fetch: FetchBlockByCid,
): Promise<Float32Array> =>
  init === null ? initialWeights(train.seed) : await fetchWeights(init.weights, table, fetch)
