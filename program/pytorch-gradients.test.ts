import { readFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { gradients } from './gradients.ts'
import { createGraph, type Graph } from './graph.ts'
import { encodeModel } from './onnx/model-proto.ts'
import { int, type Value, type WrittenAttributes } from './operators/operator.ts'

/** Made by fixtures/pytorch-gradients.py. */
interface Golden {
  readonly op: string
  readonly attributes: WrittenAttributes
  readonly inputs: readonly {
    readonly type: 'float32' | 'int64' | 'bool'
    readonly shape: readonly number[]
    readonly values: readonly number[]
    readonly gradient: boolean
  }[]
  /** How many outputs the node has, and which of them is meant. */
  readonly outputs: number
  readonly output: number
  readonly y: readonly number[]
  readonly shape: readonly number[]
  /** The loss is the sum of the output times this. */
  readonly weight: readonly number[]
  readonly gradients: readonly (readonly number[])[]
}

const golden = JSON.parse(
  readFileSync(new URL('fixtures/pytorch-gradients.json', import.meta.url), 'utf8'),
) as readonly Golden[]

function inputOf(graph: Graph, { type, shape, values, gradient }: Golden['inputs'][number], index: number) {
  if (gradient) return graph.input(`x${index}`, 'float32', shape)
  if (type === 'float32') return graph.floats(values, shape)
  if (type === 'bool') return graph.node('Greater', [graph.floats(values, shape), graph.scalar(0)])
  const list = graph.ints(values)
  return shape.length === 1 ? list : graph.node('Reshape', [list, graph.ints(shape)])
}

function expectClose(given: Float32Array, wanted: readonly number[], what: string): void {
  expect(given.length, what).toBe(wanted.length)
  wanted.forEach((value, index) => {
    expect(Math.abs(given[index]! - value), `${what}[${index}]`).toBeLessThan(2e-5 * (1 + Math.abs(value)))
  })
}

const cases = golden.map((one, index) => [`${one.op} (${index})`, one] as const)

test.each(cases)('%s computes and differentiates as PyTorch does', async (_, one) => {
  const graph = createGraph()
  const inputs = one.inputs.map((input, index) => inputOf(graph, input, index))
  const y = graph.nodes(one.op, inputs, one.outputs, one.attributes)[one.output]!
  expect(y.shape).toEqual(one.shape)
  const weighted = graph.node('Mul', [y, graph.floats(one.weight, one.shape)])
  const loss = graph.node('ReduceSum', [weighted], { keepdims: int(0) })
  const differentiated = inputs.filter((__: Value, index) => one.inputs[index]!.gradient)
  gradients(graph, loss, differentiated).forEach((gradient, index) => {
    graph.output(`g${index}`, gradient)
  })
  graph.output('y', y)
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const feeds = one.inputs.flatMap(({ gradient, values, shape }, index) =>
    gradient ? [[`x${index}`, new Tensor('float32', Float32Array.from(values), shape)] as const] : [],
  )
  const results = await session.run(Object.fromEntries(feeds))
  await session.release()
  expectClose(results.y!.data as Float32Array, one.y, 'y')
  one.gradients.forEach((gradient, index) => {
    expectClose(results[`g${index}`]!.data as Float32Array, gradient, `gradient ${index}`)
  })
})
