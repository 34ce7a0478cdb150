import { int, ints, type WrittenAttributes } from '../operator.ts'
import { type GradientCases, node, type Sampler } from './gradient-case.ts'

/** A slice of one axis of a size: bounds and a step, whose range is not empty. */
function sliceOf({ int: draw, pick }: Sampler, size: number) {
  const from = draw(0, size - 1)
  const to = draw(from + 1, size)
  const step = draw(1, 3)
  if (pick([true, false])) return { start: pick([from, from - size]), end: pick([to, 2 ** 31]), step }
  return { start: to - 1, end: from === 0 ? -size - 1 : from - 1, step: -step }
}

export const layoutCases: GradientCases = {
  Reshape: ({ pick }) => ({
    shapes: [[2, 6]],
    build: (graph, [x]) =>
      graph.node('Reshape', [x!, graph.ints(pick([[3, 4], [2, -1, 3], [0, 2, 3], [-1]]))]),
  }),
  Transpose: ({ pick }) => ({
    shapes: [[2, 3, 4]],
    build: node(
      'Transpose',
      pick<WrittenAttributes>([{}, { perm: ints([2, 0, 1]) }, { perm: ints([0, 2, 1]) }]),
    ),
  }),
  Squeeze: ({ pick }) => ({
    shapes: [[1, 3, 1, 2]],
    build: (graph, [x]) =>
      graph.node('Squeeze', [x!, ...pick([[], [graph.ints([-2])], [graph.ints([0, 2])]])]),
  }),
  Unsqueeze: ({ pick }) => ({
    shapes: [[3, 2]],
    build: (graph, [x]) => graph.node('Unsqueeze', [x!, graph.ints(pick([[0], [1, -1], [0, 1, 2]]))]),
  }),
  Flatten: (sampler) => ({
    shapes: [[2, 3, 4]],
    build: node('Flatten', { axis: int(sampler.int(-2, 3)) }),
  }),
  Expand: ({ pick }) => ({
    shapes: [pick([[3, 1], [1], [3, 4]])],
    build: (graph, [x]) =>
      graph.node('Expand', [
        x!,
        graph.ints(
          pick([
            [2, 3, 4],
            [3, 4],
          ]),
        ),
      ]),
  }),
  Tile: (sampler) => {
    const shape = sampler.shape(1, 3)
    return {
      shapes: [shape],
      build: (graph, [x]) => graph.node('Tile', [x!, graph.ints(shape.map(() => sampler.int(1, 3)))]),
    }
  },
  Concat: ({ pick }) => ({
    shapes: [
      [2, 3],
      [2, 1],
      [2, 2],
    ],
    build: node('Concat', { axis: int(pick([1, -1])) }),
  }),
  Split: ({ pick }) => ({
    shapes: [[2, 6]],
    build(graph, [x]) {
      const sizes = pick([[], [graph.ints([2, 2, 2])]])
      const [left, , right] = graph.nodes('Split', [x!, ...sizes], 3, { axis: int(pick([1, -1])) })
      return graph.node('Mul', [left!, right!])
    },
  }),
  Slice: (sampler) => {
    const shape = [sampler.int(1, 6), sampler.int(1, 7)]
    const taken = shape.map((size) => sliceOf(sampler, size))
    return {
      shapes: [shape],
      build(graph, [x]) {
        const list = (key: 'start' | 'end' | 'step') => graph.ints(taken.map((part) => part[key]))
        return graph.node('Slice', [x!, list('start'), list('end'), graph.ints([0, -1]), list('step')])
      },
    }
  },
  'Slice backwards': (sampler) => ({
    shapes: [[2, sampler.int(4, 8)]],
    build(graph, [x]) {
      const [start, step] = [sampler.pick([-1, -2]), sampler.pick([-1, -2, -3])]
      return graph.node('Slice', [x!, ...[[start], [-100], [1], [step]].map((list) => graph.ints(list))])
    },
  }),
  'Slice of one axis': () => ({
    shapes: [[3, 5]],
    build: (graph, [x]) => graph.node('Slice', [x!, graph.ints([1]), graph.ints([4]), graph.ints([1])]),
  }),
  Pad: (sampler) => {
    const shape = [sampler.int(3, 5), sampler.int(3, 5)]
    const sizes = Array.from({ length: 4 }, () => sampler.int(-1, 2))
    return {
      shapes: [shape],
      build: (graph, [x]) =>
        graph.node('Pad', [x!, graph.ints(sizes), ...sampler.pick([[], [graph.scalar(1.5)]])]),
    }
  },
  Gather: (sampler) => {
    const shape = sampler.shape(1, 3)
    const axis = sampler.int(0, shape.length - 1)
    const size = shape[axis]!
    return {
      shapes: [shape],
      build(graph, [x]) {
        const indices = graph.ints([size - 1, 0, -1, sampler.int(0, size - 1)])
        const placed = sampler.pick([indices, graph.node('Reshape', [indices, graph.ints([2, 2])])])
        return graph.node('Gather', [x!, placed], { axis: int(sampler.pick([axis, axis - shape.length])) })
      },
    }
  },
  GatherElements: ({ pick }) => ({
    shapes: [[3, 4]],
    build(graph, [x]) {
      const [indices, shape, axis] = pick([
        [[3, 0, 2], [3, 1], 1],
        [[3, 0, 2, 2, -1, 1], [3, 2], -1],
        [[2, 0, 1, 1], [1, 4], 0],
        [[2, 0, 1, 1, 2, 2, 0, 1], [2, 4], 0],
      ] as const)
      return graph.node(
        'GatherElements',
        [x!, graph.node('Reshape', [graph.ints(indices), graph.ints(shape)])],
        {
          axis: int(axis),
        },
      )
    },
  }),
  ScatterElements: ({ pick }) => ({
    shapes: [
      [3, 4],
      [3, 2],
    ],
    build(graph, [data, updates]) {
      const indices = graph.node('Reshape', [graph.ints([3, 0, 2, 1, 0, 1]), graph.ints([3, 2])])
      return graph.node('ScatterElements', [data!, indices, updates!], { axis: int(pick([1, -1])) })
    },
  }),
  GatherND: ({ pick }) => ({
    shapes: [[2, 3, 4]],
    build(graph, [x]) {
      const [indices, shape, batch] = pick([
        [[1, 2, 0, 0, -1, 1], [3, 2], 0],
        [[1, 0, 1, -2], [2, 2, 1], 0],
        [[1, 2, 3, 0, 0, 0], [2, 3], 0],
        [[2, 0, -1, 1], [2, 2, 1], 1],
        [[0, 3, 1, 1], [2, 1, 2], 1],
      ] as const)
      const placed = graph.node('Reshape', [graph.ints(indices), graph.ints(shape)])
      return graph.node('GatherND', [x!, placed], batch === 0 ? {} : { batch_dims: int(batch) })
    },
  }),
  ScatterND: ({ pick }) => {
    const [indices, shape, updates] = pick([
      [
        [1, 2, 0, 0, -1, 1],
        [3, 2],
        [3, 4],
      ],
      [[1], [1, 1], [1, 3, 4]],
      [
        [1, 2, 3, 0, 0, 0],
        [1, 2, 3],
        [1, 2],
      ],
    ] as const)
    const reduction = pick(['none', 'add'])
    return {
      shapes: [[2, 3, 4], updates],
      build(graph, [data, given]) {
        const placed = graph.node('Reshape', [graph.ints(indices), graph.ints(shape)])
        const attributes = { reduction: { kind: 'string', value: reduction } as const }
        return graph.node('ScatterND', [data!, placed, given!], attributes)
      },
    }
  },
  'ScatterND adds up equal places': () => ({
    shapes: [
      [3, 2],
      [4, 2],
    ],
    build(graph, [data, given]) {
      const placed = graph.node('Reshape', [graph.ints([2, 0, 2, -1]), graph.ints([4, 1])])
      return graph.node('ScatterND', [data!, placed, given!], { reduction: { kind: 'string', value: 'add' } })
    },
  }),
}
