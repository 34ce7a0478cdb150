import './no-telemetry.ts'
import { Tensor } from 'onnxruntime-node'
import type { TensorSignature } from '../../program/program-info.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { TensorData } from './engine.ts'

/** A tensor of N zeros over memory of its own, for results to be written into. */
export const floats = (count: number, shape: readonly number[] = [count]) =>
  new Tensor('float32', new Float32Array(count), shape)

export const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])

/** @throws MurmurError BATCH_SHAPE_INVALID. */
export function batchTensor(data: TensorData, { type, shape }: TensorSignature, what: string): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  const given = data instanceof Float32Array ? 'float32' : 'int64'
  if (data.length !== count || given !== type) {
    throw new MurmurError('BATCH_SHAPE_INVALID', {
      message: `${what} has ${data.length} values of ${given}, the program takes ${type} of ${shape.join(' × ')}`,
      next: 'build batches of the size that the run spec says',
    })
  }
  return data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int64', data, shape)
}

/** @throws MurmurError STATE_SHAPE_INVALID. */
export function parameterTensor(params: Float32Array, count: number): Tensor {
  if (params.length !== count) {
    throw new MurmurError('STATE_SHAPE_INVALID', {
      message: `${params.length} parameters do not fit a program of ${count}`,
      next: 'load the weights that belong to this program',
    })
  }
  return new Tensor('float32', params, [count])
}
