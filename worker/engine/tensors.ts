import type { TensorSignature } from '../../program/program-info.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { TensorData } from './engine.ts'
import type { PlainTensor } from './runner.ts'

/** A float32 tensor over memory of its own. */
export interface FloatTensor extends PlainTensor {
  readonly data: Float32Array
}

/** Zeros, for results to be written into. */
export const floats = (count: number, shape: readonly number[] = [count]): FloatTensor => ({
  data: new Float32Array(count),
  shape,
})

export const scalar = (value: number): FloatTensor => ({ data: Float32Array.of(value), shape: [] })

/** @throws MurmurError BATCH_SHAPE_INVALID. */
export function batchTensor(data: TensorData, { type, shape }: TensorSignature, what: string): PlainTensor {
  const count = shape.reduce((product, size) => product * size, 1)
  const given = data instanceof Float32Array ? 'float32' : 'int64'
  if (data.length !== count || given !== type) {
    throw new MurmurError('BATCH_SHAPE_INVALID', {
      message: `${what} has ${data.length} values of ${given}, the program takes ${type} of ${shape.join(' × ')}`,
      next: 'build batches of the size that the run spec says',
    })
  }
  return { data, shape }
}

/** @throws MurmurError STATE_SHAPE_INVALID. */
export function parameterTensor(params: Float32Array, count: number): PlainTensor {
  if (params.length !== count) {
    throw new MurmurError('STATE_SHAPE_INVALID', {
      message: `${params.length} parameters do not fit a program of ${count}`,
      next: 'load the weights that belong to this program',
    })
  }
  return { data: params, shape: [count] }
}
