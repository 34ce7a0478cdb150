import { int, ints } from '../operator.ts'
import { type GradientCase, type GradientCases, node, type Sampler, type Use } from './gradient-case.ts'

/** Some of the axes of a rank, some of them counted from the end. */
function axesFrom(sampler: Sampler, rank: number): readonly number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter(() => sampler.pick([true, false]))
  return (axes.length === 0 ? [sampler.int(0, rank - 1)] : axes).map((axis) =>
    sampler.pick([axis, axis - rank]),
  )
}

const reduction =
  (opType: string, range?: Use['range']): GradientCase =>
  (sampler) => {
    const shape = sampler.shape(1, 3)
    const [axes, keepdims] = [axesFrom(sampler, shape.length), int(sampler.int(0, 1))]
    const build: Use['build'] = (graph, [x]) =>
      opType === 'ReduceSum'
        ? graph.node(opType, [x!, graph.ints(axes)], { keepdims })
        : graph.node(opType, [x!], { axes: ints(axes), keepdims })
    return { shapes: [shape], build, range }
  }

const alongAxis =
  (opType: string): GradientCase =>
  (sampler) => {
    const shape = sampler.shape(1, 3)
    return {
      shapes: [shape],
      build: node(opType, { axis: int(sampler.int(-shape.length, shape.length - 1)) }),
    }
  }

export const reductionCases: GradientCases = {
  TopK: (sampler) => {
    const shape = sampler.shape(1, 3)
    const axis = sampler.int(-shape.length, shape.length - 1)
    const k = sampler.int(1, shape.at(axis)!)
    const attributes = { axis: int(axis), largest: int(sampler.int(0, 1)) }
    return {
      shapes: [shape],
      build: (graph, [x]) => graph.nodes('TopK', [x!, graph.ints([k])], 2, attributes)[0]!,
      range: 'distinct',
    }
  },
  ReduceSum: reduction('ReduceSum'),
  'ReduceSum of everything': (sampler) => ({
    shapes: [sampler.shape(0, 3)],
    build: node('ReduceSum', { keepdims: int(sampler.int(0, 1)) }),
  }),
  ReduceMean: reduction('ReduceMean'),
  ReduceMax: reduction('ReduceMax', 'distinct'),
  ReduceMin: reduction('ReduceMin', 'distinct'),
  ReduceLogSumExp: reduction('ReduceLogSumExp'),
  Softmax: alongAxis('Softmax'),
  LogSoftmax: alongAxis('LogSoftmax'),
  CumSum: (sampler) => {
    const shape = sampler.shape(1, 3)
    const attributes = { exclusive: int(sampler.int(0, 1)), reverse: int(sampler.int(0, 1)) }
    return {
      shapes: [shape],
      build: (graph, [x]) =>
        graph.node('CumSum', [x!, graph.ints([sampler.int(-shape.length, shape.length - 1)])], attributes),
    }
  },
}
