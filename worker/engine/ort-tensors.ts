import './no-telemetry.ts'
import { Tensor } from 'onnxruntime-node'
import { MurmurError } from '../../protocol/errors.ts'

/** A tensor of N zeros over memory of its own, for results to be written into. */
export const floats = (count: number, shape: readonly number[] = [count]) =>
  new Tensor('float32', new Float32Array(count), shape)

export const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])

/** @throws MurmurError BATCH_SHAPE_INVALID. */
export function tokenTensor(tokens: BigInt64Array, shape: readonly number[], what: string): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  if (tokens.length !== count) {
    throw new MurmurError('BATCH_SHAPE_INVALID', {
      message: `${what} has ${tokens.length} tokens, the program takes ${shape.join(' × ')}`,
      next: 'build batches of the size that the run spec says',
    })
  }
  return new Tensor('int64', tokens, shape)
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
