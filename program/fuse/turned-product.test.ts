import { expect, test } from 'vitest'
import { ortLoader } from '../../worker/engine/ort-loader.ts'
import { ortNode } from '../../worker/engine/ort-node.ts'
import { createGraph } from '../graph.ts'
import { encodeModel, type OnnxModel } from '../onnx/model-proto.ts'
import { ints, type Value } from '../operators/operator.ts'
import { turnedProduct } from './turned-product.ts'

const turn = { perm: ints([0, 2, 1]) }

/** (Aᵀ·B)ᵀ with `read` of the product given out beside it. */
function model(perm = turn, read = false): OnnxModel {
  const graph = createGraph()
  const [a, b] = [graph.input('a', 'float32', [2, 5, 3]), graph.input('b', 'float32', [2, 5, 4])]
  const product = graph.node('MatMul', [graph.node('Transpose', [a as Value], turn), b])
  graph.output('y', graph.node('Transpose', [product], perm))
  if (read) graph.output('p', graph.node('Neg', [product]))
  return graph.model(new Map())
}

async function computed(of: OnnxModel): Promise<readonly number[]> {
  const feeds = Object.fromEntries(
    of.inputs.map(({ name, shape }) => {
      const length = shape.reduce((product, size) => product * size, 1)
      return [name, { data: Float32Array.from({ length }, (_, at) => ((at * 37) % 19) - 9), shape }]
    }),
  )
  const { shape } = of.outputs[0]!
  const y = { data: new Float32Array(shape.reduce((product, size) => product * size, 1)), shape }
  const loaded = await ortLoader(ortNode, 'cpu', 1)(encodeModel(of), {} as never)
  await loaded.run(feeds, { y })
  await loaded.release()
  return [...y.data]
}

test('a turned product is the product of the turned factors, and no result is turned', async () => {
  const plain = model()
  const turned = turnedProduct(plain)
  expect(turned.nodes.map(({ opType, inputs }) => [opType, ...inputs])).toEqual([
    ['Transpose', 'b'],
    ['MatMul', turned.nodes[0]!.outputs[0], 'a'],
  ])
  expect(await computed(turned)).toEqual(await computed(plain))
  expect(turnedProduct(turned)).toEqual(turned)
})

test.each([
  ['that something else reads', model(turn, true)],
  ['of which other axes are exchanged', model({ perm: ints([1, 0, 2]) })],
])('a product %s stays as it is', (_, plain) => {
  expect(turnedProduct(plain)).toBe(plain)
})

/** x turned; then, for each of `factors`, multiplied with it and turned. */
function inARow(factors: readonly (readonly number[])[]): OnnxModel {
  const graph = createGraph()
  let value: Value = graph.node('Transpose', [graph.input('x', 'float32', [2, 6, 6])], turn)
  for (const [index, shape] of factors.entries()) {
    const product = graph.node('MatMul', [value, graph.input(`b${index}`, 'float32', shape)])
    value = graph.node('Transpose', [product], turn)
  }
  graph.output('y', value)
  return graph.model(new Map())
}

test.each([1, 2, 3])('%i in a row compute what they did', async (count) => {
  const plain = inARow(Array.from({ length: count }, () => [2, 6, 6]))
  const turned = turnedProduct(plain)
  expect(turned).not.toBe(plain)
  expect(await computed(turned)).toEqual(await computed(plain))
})

test('a product with a matrix of fewer axes stays as it is; one with a matrix for the whole batch does not', async () => {
  const flat = inARow([[6, 6]])
  expect(turnedProduct(flat)).toBe(flat)
  const shared = inARow([[1, 6, 6]])
  expect(turnedProduct(shared)).not.toBe(shared)
  expect(await computed(turnedProduct(shared))).toEqual(await computed(shared))
})
