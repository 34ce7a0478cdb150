import { expect, test } from 'vitest'
import { ortLoader } from '../../worker/engine/ort-loader.ts'
import { ortNode } from '../../worker/engine/ort-node.ts'
import { gradients } from '../gradients.ts'
import { createGraph, type Graph } from '../graph.ts'
import { encodeModel, type OnnxModel } from '../onnx/model-proto.ts'
import { int, ints, type Value } from '../operators/operator.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'
import { attentionGradient } from './attention-gradient.ts'

const [heads, T, D] = [2, 4, 3]
const visible = Float32Array.from({ length: T * T }, (_, at) => (at % T <= Math.floor(at / T) ? 1 : 0))

/** Gradients of the inputs of an attention; `masked` makes weights of the softmax, from which −`hiding` hides the future. */
function attention(masked: (graph: Graph, softmax: Value) => Value, hiding = 60): OnnxModel {
  const graph = createGraph()
  const inputs = ['q', 'k', 'v'].map((name) => graph.input(name, 'float32', [heads, T, D]))
  const [q, k, v] = inputs as [Value, Value, Value]
  const scores = graph.node('MatMul', [q, graph.node('Transpose', [k], { perm: ints([0, 2, 1]) })])
  const hidden = graph.floats(
    visible.map((one) => (one - 1) * hiding),
    [T, T],
  )
  const softmax = graph.node('Softmax', [graph.node('Add', [scores, hidden])], { axis: int(-1) })
  const y = graph.node('MatMul', [masked(graph, softmax), v])
  const loss = graph.node('ReduceSum', [graph.node('Mul', [y, y])], { keepdims: int(0) })
  gradients(graph, loss, inputs).forEach((gradient, index) => {
    graph.output(`g${index}`, gradient)
  })
  return withUsedNodes(graph.model(new Map()))
}

const times =
  (values: Float32Array) =>
  (graph: Graph, softmax: Value): Value =>
    graph.node('Mul', [softmax, graph.floats(values, [T, T])])

/** @param reach the inputs' largest value, about: scores grow with its square */
async function computed(model: OnnxModel, reach = 1): Promise<readonly number[]> {
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, shape }, input) => {
      const data = Float32Array.from(
        { length: heads * T * D },
        (_, at) => (((at * 37 + input) % 19) / 10 - 0.9) * reach,
      )
      return [name, { data, shape }]
    }),
  )
  const results = Object.fromEntries(
    model.outputs.map(({ name, shape }) => [name, { data: new Float32Array(heads * T * D), shape }]),
  )
  const loaded = await ortLoader(ortNode, 'cpu', 1)(encodeModel(model), {} as never)
  await loaded.run(feeds, results)
  await loaded.release()
  return Object.values(results).flatMap(({ data }) => [...data])
}

test.each<[string, (graph: Graph, softmax: Value) => Value, number]>([
  ['with a mask', times(visible), 60],
  ['with a mask of what is seen', times(visible), 0],
  ['with other factors', times(visible.map((one, at) => one - at / 20)), 60],
  ['without a mask', (_, softmax) => softmax, 60],
])('attention %s has the same gradients, and no sum over scores is left', async (_, masked, hiding) => {
  const model = attention(masked, hiding)
  const fewer = attentionGradient(model)
  expect(fewer.nodes.length).toBe(model.nodes.length)
  const [wanted, made] = [await computed(model), await computed(fewer)]
  made.forEach((value, at) => {
    expect(value, `element ${at}`).toBeCloseTo(wanted[at]!, 5)
  })
  const makers = new Map(fewer.nodes.map((node) => [node.outputs[0], node]))
  const sum = fewer.nodes.find(({ opType }) => opType === 'ReduceSum')!
  expect(makers.get(sum.inputs[0]!)!.inputs.map((name) => makers.get(name)!.opType)).not.toContain('Softmax')
})

test('hidden scores far above the visible ones change nothing in that', async () => {
  const model = attention(times(visible))
  // The second head's first token then scores 60 more with the third than with itself.
  const reach = Math.sqrt(60 / 0.54)
  const [wanted, made] = [await computed(model, reach), await computed(attentionGradient(model), reach)]
  const largest = Math.max(...wanted.map(Math.abs))
  made.forEach((value, at) => {
    expect(Math.abs(value - wanted[at]!) / largest, `element ${at}`).toBeLessThan(1e-5)
  })
})

test('weights that are no factor of a product stay as they are', () => {
  const model = attention((graph, softmax) => graph.node('Mul', [softmax, softmax]))
  expect(attentionGradient(model)).toEqual(model)
})

test.each([
  ['another axis', -2, 1],
  ['a sum that loses its axis', -1, 0],
])('%s is no row of a softmax, and stays as it is', (_, axis, keepdims) => {
  const graph = createGraph()
  const [scores, u, v] = ['s', 'u', 'v'].map((name) => graph.input(name, 'float32', [T, T])) as [
    Value,
    Value,
    Value,
  ]
  const softmax = graph.node('Softmax', [scores], { axis: int(-1) })
  const output = graph.node('MatMul', [softmax, v])
  const incoming = graph.node('MatMul', [u, graph.node('Transpose', [v], { perm: ints([1, 0]) })])
  const terms = graph.node('Mul', [incoming, softmax])
  const sum = graph.node('ReduceSum', [terms, graph.ints([axis])], { keepdims: int(keepdims) })
  graph.output('o', output)
  graph.output('y', graph.node('Mul', [softmax, graph.node('Sub', [incoming, sum])]))
  const model = graph.model(new Map())
  expect(attentionGradient(model)).toEqual(model)
})
