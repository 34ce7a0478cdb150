import { elements } from '../operators/operator.ts'
import type { HostTensor } from './host-tensor.ts'
import { valuesFor } from './host-tensor.ts'
import type { OperandWriter, Tensor } from './operand.ts'

/** What one place of the output takes of places of the input: pairs of a place and a weight. */
export type Taps = readonly (readonly (readonly [place: number, weight: number])[])[]

/** One axis of x by constant weights, as a product with their matrix, so that the gradient is one too. */
export function alongAxis(writer: OperandWriter, x: Tensor, axis: number, taps: Taps): Tensor {
  const [before, size, after] = [x.shape.slice(0, axis), x.shape[axis]!, x.shape.slice(axis + 1)]
  const shape = [...before, taps.length, ...after]
  const every = repeats(taps, size)
  if (every !== null) {
    const placed = writer.node('Reshape', [x, writer.ints([...before, size, 1, ...after])])
    const wide = writer.node('Expand', [placed, writer.ints([...before, size, every, ...after])])
    return writer.node('Reshape', [wide, writer.ints(shape)])
  }
  const matrix = matrixOf(taps, size)
  const inner = elements(after)
  const flat = writer.node('Reshape', [x, writer.ints([elements(before), size, inner])])
  return writer.node('Reshape', [writer.node('MatMul', [matrix, flat]), writer.ints(shape)])
}

/** How often each place is repeated, where that is all that happens. */
function repeats(taps: Taps, size: number): number | null {
  const every = taps.length / size
  const same = taps.every(([first, ...others], at) => {
    const [place, weight] = first!
    return others.length === 0 && weight === 1 && place === Math.floor(at / every)
  })
  return same && Number.isInteger(every) ? every : null
}

/** [out, in] */
function matrixOf(taps: Taps, size: number): HostTensor {
  const shape = [taps.length, size]
  const values = valuesFor('float32', shape)
  taps.forEach((list, row) => {
    for (const [place, weight] of list) values[row * size + place]! += weight
  })
  return { type: 'float32', shape, values }
}
