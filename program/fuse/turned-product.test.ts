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
  const y = { data: new Float32Array(24), shape: of.outputs[0]!.shape }
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
