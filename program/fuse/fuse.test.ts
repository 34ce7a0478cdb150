import { expect, test } from 'vitest'
import { ortLoader } from '../../worker/engine/ort-loader.ts'
import { ortNode } from '../../worker/engine/ort-node.ts'
import { gradients } from '../gradients.ts'
import { createGraph } from '../graph.ts'
import { encodeModel, type OnnxModel } from '../onnx/model-proto.ts'
import { fuse } from './fuse.ts'

/** Two layers with a squared Relu, and the gradient of both matrices. */
function network(): OnnxModel {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [5, 4])
  const weights = [graph.input('up', 'float32', [4, 6]), graph.input('down', 'float32', [6, 3])]
  const positive = graph.node('Relu', [graph.node('Gemm', [x, weights[0]!])])
  const squared = graph.node('Mul', [positive, positive])
  const y = graph.node('Gemm', [squared, weights[1]!])
  const loss = graph.node('ReduceSum', [graph.node('Mul', [y, y])], { keepdims: { kind: 'int', value: 0 } })
  gradients(graph, loss, weights).forEach((gradient, index) => {
    graph.output(`g${index}`, gradient)
  })
  return graph.model(new Map())
}

test('a program is smaller afterwards and computes the same', async () => {
  const model = network()
  const fused = fuse(model)
  expect(fused.nodes.length).toBeLessThan(model.nodes.length)
  expect(fuse(model)).toEqual(fused)
  const values = (count: number) =>
    Float32Array.from({ length: count }, (_, at) => ((at * 37) % 19) / 10 - 0.9)
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, shape }) => [name, { data: values(shape[0]! * shape[1]!), shape }]),
  )
  const run = async (of: OnnxModel) => {
    const results = Object.fromEntries(
      of.outputs.map(({ name, shape }) => [name, { data: new Float32Array(shape[0]! * shape[1]!), shape }]),
    )
    const loaded = await ortLoader(ortNode, 'cpu', 1)(encodeModel(of), {} as never)
    await loaded.run(feeds, results)
    await loaded.release()
    return Object.values(results).map(({ data }) => [...data])
  }
  const [wanted, made] = [await run(model), await run(fused)]
  wanted.forEach((gradient, index) => {
    gradient.forEach((value, at) => {
      expect(made[index]![at]).toBeCloseTo(value, 4)
    })
  })
})
