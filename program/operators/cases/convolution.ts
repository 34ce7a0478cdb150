import { int, ints, type WrittenAttributes } from '../operator.ts'
import { type GradientCase, type GradientCases, node, type Sampler } from './gradient-case.ts'

interface Geometry {
  readonly kernel: readonly number[]
  /** Input sizes into which at least one window fits. */
  readonly spatial: readonly number[]
  readonly attributes: WrittenAttributes
}

function geometry(sampler: Sampler, axes: number, dilated = true): Geometry {
  const list = (low: number, high: number, length = axes) =>
    Array.from({ length }, () => sampler.int(low, high))
  const [kernel, strides, dilations] = [list(1, 3), list(1, 3), dilated ? list(1, 2) : list(1, 1)]
  const pads = list(0, 1, 2 * axes).map((pad, index) => Math.min(pad, kernel[index % axes]! - 1))
  const spatial = kernel.map((size, axis) => (size - 1) * dilations[axis]! + 1 + sampler.int(0, 3))
  const written = { kernel_shape: ints(kernel), strides: ints(strides), pads: ints(pads) }
  return { kernel, spatial, attributes: dilated ? { ...written, dilations: ints(dilations) } : written }
}

const convolution =
  (axes: number): GradientCase =>
  (sampler) => {
    const { kernel, spatial, attributes } = geometry(sampler, axes)
    const [images, groups, channels, filters] = [
      sampler.int(1, 2),
      sampler.int(1, 2),
      sampler.int(1, 2),
      sampler.int(1, 2),
    ]
    const shapes = [
      [images, groups * channels, ...spatial],
      [groups * filters, channels, ...kernel],
    ]
    if (sampler.pick([true, false])) shapes.push([groups * filters])
    return { shapes, build: node('Conv', { ...attributes, group: int(groups) }) }
  }

const transposed =
  (axes: number): GradientCase =>
  (sampler) => {
    const { kernel, attributes } = geometry(sampler, axes)
    const [images, groups, channels, filters] = [
      sampler.int(1, 2),
      sampler.int(1, 2),
      sampler.int(1, 2),
      sampler.int(1, 2),
    ]
    const shapes = [
      [images, groups * channels, ...kernel.map(() => sampler.int(3, 4))],
      [groups * channels, filters, ...kernel],
    ]
    if (sampler.pick([true, false])) shapes.push([groups * filters])
    const { strides } = attributes
    const most = strides?.kind === 'ints' ? strides.values : []
    const output_padding = ints(most.map((stride) => sampler.int(0, stride - 1)))
    return { shapes, build: node('ConvTranspose', { ...attributes, group: int(groups), output_padding }) }
  }

const pooling =
  (opType: string, axes: number, dilated: boolean): GradientCase =>
  (sampler) => {
    const { spatial, attributes } = geometry(sampler, axes, dilated)
    const more: WrittenAttributes = dilated ? {} : { count_include_pad: int(sampler.int(0, 1)) }
    return {
      shapes: [[sampler.int(1, 2), sampler.int(1, 2), ...spatial]],
      build: node(opType, { ...attributes, ...more }),
      range: 'distinct',
    }
  }

export const convolutionCases: GradientCases = {
  'Conv, 1 axis': convolution(1),
  'Conv, 2 axes': convolution(2),
  'Conv, 3 axes': convolution(3),
  'Conv, a kernel of one place': ({ int: size }) => {
    const [images, channels, filters] = [size(1, 3), size(1, 3), size(1, 3)]
    return {
      shapes: [
        [images, channels, size(1, 3), 2],
        [filters, channels, 1, 1],
      ],
      build: node('Conv'),
    }
  },
  'ConvTranspose, 1 axis': transposed(1),
  'ConvTranspose, 2 axes': transposed(2),
  'MaxPool, 1 axis': pooling('MaxPool', 1, true),
  'MaxPool, 2 axes': pooling('MaxPool', 2, true),
  'AveragePool, 1 axis': pooling('AveragePool', 1, false),
  'AveragePool, 2 axes': pooling('AveragePool', 2, false),
  'MaxPool, equal values': () => ({
    // Every window holds its largest value twice, but hands its gradient on once.
    shapes: [[1, 1, 2, 4]],
    build(graph, [x]) {
      const twice = graph.node('Concat', [x!, x!], { axis: int(2) })
      return graph.node('MaxPool', [twice], { kernel_shape: ints([4, 2]), strides: ints([1, 2]) })
    },
    range: 'distinct',
  }),
  'MaxPool, tiles': ({ int: size }) => {
    const kernel = [[2, 2], [1, 3], [2], [1, 2, 2]][size(0, 3)]!
    return {
      shapes: [[2, size(1, 3), ...kernel.map((length) => length * size(1, 3))]],
      build: node('MaxPool', { kernel_shape: ints(kernel), strides: ints(kernel) }),
      range: 'distinct',
    }
  },
  'MaxPool, tiles of equal values': () => ({
    // As above: each value twice, side by side in one window.
    shapes: [[1, 2, 4, 2, 1]],
    build(graph, [x]) {
      const twice = graph.node('Concat', [x!, x!], { axis: int(4) })
      const image = graph.node('Reshape', [twice, graph.ints([1, 2, 4, 4])])
      return graph.node('MaxPool', [image], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) })
    },
    range: 'distinct',
  }),
  GlobalAveragePool: ({ int: size }) => ({
    shapes: [[2, size(1, 3), size(1, 4), 3]],
    build: node('GlobalAveragePool'),
  }),
  GlobalMaxPool: ({ int: size }) => ({
    shapes: [[2, size(1, 3), size(1, 4), 3]],
    build: node('GlobalMaxPool'),
    range: 'distinct',
  }),
}
