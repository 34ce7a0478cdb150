import { floatBytes, floatsOf } from '../aggregation/float-bytes.ts'
import { MurmurError } from '../protocol/errors.ts'
import { readSafetensors, type Tensor, writeSafetensors } from './safetensors.ts'

/** One tensor's place in the flat parameter vector; `offset` counts elements. */
export interface ParameterPlace {
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
  /** `frozen` ones never change, and are behind all others. */
  readonly role?: string | undefined
}

/** `format` tells loaders of other libraries which framework's layout the tensors have. */
const metadata = new Map([['format', 'pt']])

/** Leading elements of the flat vector that a run may change: all, where nothing is frozen. */
export const movingCountOf = (table: readonly ParameterPlace[], parameterCount: number): number =>
  table.find(({ role }) => role === 'frozen')?.offset ?? parameterCount

/**
 * The flat parameter vector as a safetensors file; the table covers it without gaps. Tensors are in canonical order, but
 * where some are frozen, in the table's, so that those are the end of the file.
 */
export function writeParameterFile(theta: Float32Array, table: readonly ParameterPlace[]): Uint8Array {
  checkTable(table, theta.length)
  const tensors = new Map<string, Tensor>()
  for (const { name, shape, offset } of table) {
    const bytes = floatBytes(theta.subarray(offset, offset + elementsOf(shape)))
    tensors.set(name, { dtype: 'F32', shape, bytes })
  }
  const isPart = movingCountOf(table, theta.length) < theta.length
  return writeSafetensors({ tensors, metadata }, isPart ? 'as given' : 'by name')
}

/**
 * The flat parameter vector of a safetensors file, in the order of `table`.
 * @throws MurmurError SAFETENSORS_MALFORMED | CHECKPOINT_MISMATCH when it holds other tensors than the table.
 */
export function readParameterFile(file: Uint8Array, table: readonly ParameterPlace[]): Float32Array {
  const { tensors } = readSafetensors(file)
  if (tensors.size !== table.length) throw mismatch(`${tensors.size} tensors where ${table.length} are due`)
  let parameterCount = 0
  for (const { bytes } of tensors.values()) parameterCount += bytes.length / 4
  checkTable(table, parameterCount)
  const theta = new Float32Array(parameterCount)
  for (const { name, shape, offset } of table) {
    const tensor = tensors.get(name)
    if (tensor === undefined) throw mismatch(`no tensor "${name}"`)
    if (tensor.dtype !== 'F32' || tensor.shape.join() !== shape.join()) {
      throw mismatch(`"${name}" is ${tensor.dtype} [${tensor.shape.join()}], not F32 [${shape.join()}]`)
    }
    theta.set(floatsOf(tensor.bytes), offset)
  }
  return theta
}

/** Distinct names, in order of offset, without gaps, up to `parameterCount` elements. */
function checkTable(table: readonly ParameterPlace[], parameterCount: number): void {
  let end = 0
  for (const { name, shape, offset } of table) {
    if (offset !== end)
      throw mismatch(`"${name}" begins at ${offset} where the tensor before it ends at ${end}`)
    end += elementsOf(shape)
  }
  if (end !== parameterCount) throw mismatch(`the tensors hold ${end} of ${parameterCount} parameters`)
  if (new Set(table.map(({ name }) => name)).size !== table.length) throw mismatch('two tensors share a name')
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

function mismatch(reason: string): MurmurError {
  return new MurmurError('CHECKPOINT_MISMATCH', {
    message: `the checkpoint does not fit its parameter table: ${reason}`,
    next: 'use the program that the checkpoint was trained with',
    exit: 'verification',
  })
}
