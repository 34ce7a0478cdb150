import type { ValueType } from '../operators/operator.ts'

/**
 * A tensor whose values are known while a model is imported. Integers and truth values (0, 1) are doubles; a store
 * into a Float32Array is the one rounding that float32 arithmetic needs.
 */
export interface HostTensor {
  readonly type: ValueType
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array
}

/** Elements of one tensor that is computed while importing: four times what a program of 16 MiB can hold. */
export const maxFoldedElements = 2 ** 24

/** Elements of all of them in one pass over a file: they are held until its end, an eighth of what tensors it may hold. */
export const maxFoldedInAll = 2 ** 25

/** Room for a tensor's values. Throws an Error when it would be absurdly large. */
export function valuesFor(type: ValueType, shape: readonly number[]): Float32Array | Float64Array {
  const count = shape.reduce((product, size) => product * size, 1)
  if (!(count <= maxFoldedElements)) throw new Error(`a constant of shape [${shape}] is too large`)
  return type === 'float32' ? new Float32Array(count) : new Float64Array(count)
}

export const intTensor = (
  values: readonly number[],
  shape: readonly number[] = [values.length],
): HostTensor => ({
  type: 'int64',
  shape,
  values: Float64Array.from(values),
})
