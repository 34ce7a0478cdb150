import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { drawsAt } from '../protocol/random.ts'
import { gradients } from './gradients.ts'
import { createGraph, type Graph } from './graph.ts'
import { encodeModel } from './onnx/model-proto.ts'
import { elements, float, int, ints, type Value } from './operators/operator.ts'
import { operators } from './operators/table.ts'

/** Each operator's rule against central differences of what the engine computes, along random directions. */
interface Case {
  readonly shapes: readonly (readonly number[])[]
  readonly build: (graph: Graph, inputs: readonly Value[]) => Value
  /** Inputs are drawn from [low, high). */
  readonly range?: readonly [number, number]
}

const op =
  (opType: string, attributes = {}) =>
  (graph: Graph, inputs: readonly Value[]) =>
    graph.node(opType, inputs, attributes)

const cases: Record<string, Case> = {
  Add: { shapes: [[2, 3, 4], [4]], build: op('Add') },
  'Add of one tensor to itself': { shapes: [[3]], build: (g, [x]) => g.node('Add', [x!, x!]) },
  Sub: {
    shapes: [
      [3, 1],
      [2, 3, 4],
    ],
    build: op('Sub'),
  },
  Mul: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: op('Mul'),
  },
  'Mul, squared': { shapes: [[2, 3]], build: (g, [x]) => g.node('Mul', [x!, x!]) },
  Div: { shapes: [[2, 3], [3]], build: op('Div'), range: [0.5, 2] },
  Neg: { shapes: [[4]], build: op('Neg') },
  Identity: { shapes: [[4]], build: op('Identity') },
  Tanh: { shapes: [[2, 3]], build: op('Tanh') },
  Sigmoid: { shapes: [[2, 3]], build: op('Sigmoid') },
  Exp: { shapes: [[2, 3]], build: op('Exp') },
  Log: { shapes: [[2, 3]], build: op('Log'), range: [0.5, 2] },
  Sqrt: { shapes: [[2, 3]], build: op('Sqrt'), range: [0.5, 2] },
  Reciprocal: { shapes: [[2, 3]], build: op('Reciprocal'), range: [0.5, 2] },
  Relu: { shapes: [[3, 4]], build: op('Relu'), range: [0.1, 1] },
  'Relu, negative': { shapes: [[3, 4]], build: op('Relu'), range: [-1, -0.1] },
  'Relu, squared': {
    shapes: [[3, 8]],
    build(g, [x]) {
      const y = g.node('Relu', [x!])
      return g.node('Mul', [y, y])
    },
  },
  'GELU, composed': {
    shapes: [[3, 4]],
    build(g, [x]) {
      const cube = g.node('Mul', [x!, g.node('Mul', [x!, x!])])
      const inner = g.node('Add', [x!, g.node('Mul', [cube, g.scalar(0.044715)])])
      const gate = g.node('Tanh', [g.node('Mul', [inner, g.scalar(Math.sqrt(2 / Math.PI))])])
      return g.node('Mul', [g.node('Mul', [x!, g.scalar(0.5)]), g.node('Add', [gate, g.scalar(1)])])
    },
  },
  ReduceSum: {
    shapes: [[2, 3, 4]],
    build: (g, [x]) => g.node('ReduceSum', [x!, g.ints([0, -1])], { keepdims: int(0) }),
  },
  ReduceMean: { shapes: [[2, 3, 4]], build: op('ReduceMean', { axes: ints([1]), keepdims: int(1) }) },
  Softmax: { shapes: [[2, 5]], build: op('Softmax', { axis: int(-1) }) },
  LogSoftmax: { shapes: [[2, 5]], build: op('LogSoftmax', { axis: int(-1) }) },
  MatMul: {
    shapes: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    build: op('MatMul'),
  },
  'MatMul, shared matrix': {
    shapes: [
      [2, 3, 4],
      [4, 5],
    ],
    build: op('MatMul'),
  },
  'MatMul, broadcast': {
    shapes: [
      [2, 3, 4],
      [1, 4, 5],
    ],
    build: op('MatMul'),
  },
  ...Object.fromEntries(
    [0, 1, 2, 3].map((flags) => {
      const [transA, transB] = [flags & 1, flags >> 1]
      const shapes = [transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5], [5]]
      return [`Gemm ${flags}`, { shapes, build: op('Gemm', { transA: int(transA), transB: int(transB) }) }]
    }),
  ),
  Reshape: { shapes: [[2, 6]], build: (g, [x]) => g.node('Reshape', [x!, g.ints([3, 4])]) },
  Transpose: { shapes: [[2, 3, 4]], build: op('Transpose', { perm: ints([2, 0, 1]) }) },
  Expand: { shapes: [[3, 1]], build: (g, [x]) => g.node('Expand', [x!, g.ints([2, 3, 4])]) },
  Concat: {
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: op('Concat', { axis: int(1) }),
  },
  Split: {
    shapes: [[2, 5]],
    build(g, [x]) {
      const [left, , right] = g.nodes('Split', [x!, g.ints([2, 1, 2])], 3, { axis: int(1) })
      return g.node('Mul', [left!, right!])
    },
  },
  Slice: {
    shapes: [[3, 5]],
    build: (g, [x]) => g.node('Slice', [x!, g.ints([1]), g.ints([4]), g.ints([1])]),
  },
  Gather: { shapes: [[5, 3]], build: (g, [x]) => g.node('Gather', [x!, g.ints([4, 0, 4, 2])]) },
  GatherElements: {
    shapes: [[3, 4]],
    build: (g, [x]) =>
      g.node('GatherElements', [x!, g.node('Reshape', [g.ints([3, 0, 2]), g.ints([3, 1])])], {
        axis: int(1),
      }),
  },
  LayerNormalization: {
    shapes: [[3, 8], [8], [8]],
    build: (g, inputs) =>
      g.nodes('LayerNormalization', inputs, 3, { axis: int(-1), epsilon: float(1e-5) })[0]!,
  },
}

test.each(Object.entries(cases))('the gradient of %s', async (_, { shapes, build, range = [-1, 1] }) => {
  const draw = drawsAt(1, 'simulation', [0, 0])
  const random = (count: number, [low, high]: readonly [number, number]) =>
    Float32Array.from({ length: count }, () => low + (draw() / 2 ** 32) * (high - low))

  const graph = createGraph()
  const inputs = shapes.map((shape, index) => graph.input(`x${index}`, 'float32', shape))
  const y = build(graph, inputs)
  const weighted = graph.node('Mul', [y, graph.floats(random(elements(y.shape), [-1, 1]), y.shape)])
  const loss = graph.node('ReduceSum', [weighted], { keepdims: int(0) })
  gradients(graph, loss, inputs).forEach((gradient, index) => {
    expect(gradient.shape).toEqual(shapes[index])
    graph.output(`g${index}`, gradient)
  })
  graph.output('loss', loss)

  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const run = async (points: readonly Float32Array[]) => {
    const feeds = points.map(
      (data, index) => [`x${index}`, new Tensor('float32', data, shapes[index]!)] as const,
    )
    const results = await session.run(Object.fromEntries(feeds))
    const data = (name: string) => results[name]!.data as Float32Array
    return { loss: data('loss')[0]!, gradients: points.map((__, index) => data(`g${index}`)) }
  }
  const at = shapes.map((shape) => random(elements(shape), range))
  const analytic = (await run(at)).gradients
  const step = 2 ** -7
  for (const [index, shape] of shapes.entries()) {
    const direction = random(elements(shape), [-1, 1])
    const moved = (sign: number) =>
      at.map((data, other) => (other === index ? data.map((x, i) => x + sign * step * direction[i]!) : data))
    const numeric = ((await run(moved(1))).loss - (await run(moved(-1))).loss) / (2 * step)
    const expected = analytic[index]!.reduce((sum, g, i) => sum + g * direction[i]!, 0)
    expect(Math.abs(numeric - expected)).toBeLessThan(2e-3 * (1 + Math.abs(expected)))
  }
  await session.release()
})

test('every operator with a rule is in the table above', () => {
  const covered = new Set(Object.keys(cases).map((name) => name.split(/[ ,]/)[0]))
  const ruled = [...operators].flatMap(([name, { gradient }]) => (gradient ? [name] : []))
  expect(ruled.filter((name) => !covered.has(name))).toEqual([])
})

test('an operator without a rule between parameter and loss is refused by name', () => {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [3])
  const loss = graph.node('ReduceSum', [graph.node('Sign', [x])], { keepdims: int(0) })
  expect(() => gradients(graph, loss, [x])).toThrow(/Sign/)
})

test('a parameter that the loss does not depend on has gradient zero', () => {
  const graph = createGraph()
  const [x, unused] = [graph.input('x', 'float32', [3]), graph.input('unused', 'float32', [2, 2])]
  const loss = graph.node('ReduceSum', [x], { keepdims: int(0) })
  expect(gradients(graph, loss, [x, unused])[1]!.shape).toEqual([2, 2])
})
