import { initialWeights } from '../program/initial-weights.ts'
import { elements } from '../program/operators/operator.ts'
import type { RunModel } from '../program/run-model.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { readParameterFile } from './parameter-file.ts'
import { readSafetensors } from './safetensors.ts'
import type { FetchBlockByCid } from './stored-file.ts'
import { fetchWeights } from './weights-file.ts'

type Table = RunModel['table']
type Train = Pick<RunSpec['train'], 'seed' | 'lora'>

/**
 * θ before round 0, in the order of the program's table: the weights that the run names, or a pure function of its seed.
 * @throws what `fetchWeights` throws.
 */
export const startingWeights = async (
  { init, train }: Pick<RunSpec, 'init' | 'train'>,
  { table, initialWeights: fromSeed }: Pick<RunModel, 'table' | 'initialWeights'>,
  fetch: FetchBlockByCid,
): Promise<Float32Array> =>
  init === null
    ? fromSeed(train.seed)
    : await fetchWeights(init.weights, table, fetch, (file) => readStartingFile(file, table, train))

/**
 * The flat vector of a parameter file that a run starts from. One with low-rank factors also takes a file without them: the
 * model that it adapts.
 * @throws MurmurError SAFETENSORS_MALFORMED, CHECKPOINT_MISMATCH.
 */
export function readStartingFile(file: Uint8Array, table: Table, train: Train): Float32Array {
  if (train.lora === null) return readParameterFile(file, table)
  const own = table.filter(({ role }) => role !== undefined)
  if (own.length === 0 || readSafetensors(file).tensors.size !== own.length)
    return readParameterFile(file, table)
  const start = table.length === own.length ? 0 : own[0]!.offset
  const theta = new Float32Array(countOf(table))
  const places = own.map((parameter) => ({ ...parameter, offset: parameter.offset - start }))
  theta.set(readParameterFile(file, places), start)
  return withFactors(theta, table, train)
}

/** θ in place, its low-rank factors as the seed has them; as it is where the run has none. */
export function withFactors(theta: Float32Array, table: Table, { seed, lora }: Train): Float32Array {
  if (lora === null) return theta
  const factors = initialWeights({ parameters: table, count: countOf(table) }, seed, isFactor)
  for (const { offset, shape } of table.filter(isFactor)) {
    const end = offset + elements(shape)
    theta.set(factors.subarray(offset, end), offset)
  }
  return theta
}

/** Beside low-rank factors nothing is trained. */
const isFactor = ({ role }: Table[number]): boolean => role === undefined

const countOf = (table: Table): number => table.reduce((sum, { shape }) => sum + elements(shape), 0)
