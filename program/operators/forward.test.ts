import { InferenceSession } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { createGraph, type Graph } from '../graph.ts'
import { encodeModel } from '../onnx/model-proto.ts'
import { int, type Value } from './operator.ts'

/** What the engine computes, of the shape that the operator's rule says. */
async function computed(build: (graph: Graph) => Value): Promise<readonly number[]> {
  const graph = createGraph()
  const made = build(graph)
  graph.output('y', graph.node('Cast', [made], { to: int(1) }))
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const { y } = await session.run({})
  await session.release()
  expect(y!.dims).toEqual(made.shape)
  return [...(y!.data as Float32Array)]
}

const row = [-1.5, -0.5, 0, 0.5, 2.5]
const truths = (graph: Graph, values: readonly number[], shape: readonly number[]) =>
  graph.node('Cast', [graph.floats(values, shape)], { to: int(9) })

test.each<[string, readonly number[]]>([
  ['Sign', [-1, -1, 0, 1, 1]],
  ['Floor', [-2, -1, 0, 0, 2]],
  ['Ceil', [-1, 0, 0, 1, 3]],
  ['Round', [-2, 0, 0, 0, 2]],
])('%s', async (opType, wanted) => {
  const made = await computed((graph) => graph.node(opType, [graph.floats(row, [5])]))
  expect(made.map((value) => value + 0)).toEqual(wanted)
})

test.each<[string, readonly number[]]>([
  ['Equal', [0, 1, 0, 0, 0, 1]],
  ['Greater', [0, 0, 0, 1, 1, 0]],
  ['GreaterOrEqual', [0, 1, 0, 1, 1, 1]],
  ['Less', [1, 0, 1, 0, 0, 0]],
  ['LessOrEqual', [1, 1, 1, 0, 0, 1]],
])('%s broadcasts, of floats and of integers', async (opType, wanted) => {
  const [left, right] = [
    [1, 3],
    [2, 1, 3],
  ]
  const ofFloats = (graph: Graph) =>
    graph.node(opType, [graph.floats(left, [2, 1]), graph.floats(right, [3])])
  const ofIntegers = (graph: Graph) =>
    graph.node(opType, [graph.node('Reshape', [graph.ints(left), graph.ints([2, 1])]), graph.ints(right)])
  expect(await computed(ofFloats)).toEqual(wanted)
  expect(await computed(ofIntegers)).toEqual(wanted)
})

test.each<[string, readonly number[]]>([
  ['And', [0, 0, 0, 1]],
  ['Or', [0, 1, 1, 1]],
  ['Xor', [0, 1, 1, 0]],
])('%s', async (opType, wanted) => {
  const build = (graph: Graph) =>
    graph.node(opType, [truths(graph, [0, 1], [2, 1]), truths(graph, [0, 1], [2])])
  expect(await computed(build)).toEqual(wanted)
})

test('Not', async () => {
  expect(await computed((graph) => graph.node('Not', [truths(graph, [0, 1], [2])]))).toEqual([1, 0])
})

test('Where of integers', async () => {
  const build = (graph: Graph) =>
    graph.node('Where', [truths(graph, [1, 0], [2]), graph.ints([7]), graph.ints([8, 9])])
  expect(await computed(build)).toEqual([7, 9])
})

test('Cast to integers cuts towards zero', async () => {
  const build = (graph: Graph) => graph.node('Cast', [graph.floats(row, [5])], { to: int(7) })
  expect((await computed(build)).map((value) => value + 0)).toEqual([-1, 0, 0, 0, 2])
})

test.each([
  ['first, kept', 0, 1, [1, 0]],
  ['last, dropped', -1, 0, [1, 0]],
])('ArgMax along the %s axis: the first of equals wins', async (_, axis, keepdims, wanted) => {
  const build = (graph: Graph) =>
    graph.node('ArgMax', [graph.floats([1, 5, 5, 5], [2, 2])], { axis: int(axis), keepdims: int(keepdims) })
  expect(await computed(build)).toEqual(wanted)
})

test.each([
  ['largest', 1, [5, 5, 4, 1], [1, 2, 0, 3]],
  ['smallest', 0, [1, 4, 5, 5], [3, 0, 1, 2]],
])('TopK, the %s, and where they are: the first of equals first', async (_, largest, values, places) => {
  const build = (output: number) => (graph: Graph) => {
    const x = graph.floats([4, 5, 5, 1], [4, 1])
    return graph.nodes('TopK', [x, graph.ints([4])], 2, { axis: int(0), largest: int(largest) })[output]!
  }
  expect(await computed(build(0))).toEqual(values)
  expect(await computed(build(1))).toEqual(places)
})

test.each([
  [0, [1, 0, 0, 0, 1, 1]],
  [-1, [1, 0, 0, 1, 0, 1]],
])('OneHot along axis %s; a negative index counts from the end', async (axis, wanted) => {
  const build = (graph: Graph) =>
    graph.node('OneHot', [graph.ints([0, 1, -1]), graph.ints([2]), graph.floats([0, 1], [2])], {
      axis: int(axis),
    })
  expect(await computed(build)).toEqual(wanted)
})
