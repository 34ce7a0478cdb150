import { expect, test } from 'vitest'
import { createGraph, type Graph } from '../graph.ts'
import type { OnnxModel } from '../onnx/model-proto.ts'
import type { Value } from '../operators/operator.ts'
import { scaleIntoProduct } from './scale-into-product.ts'

function modelOf(build: (graph: Graph, a: Value, b: Value) => Value): OnnxModel {
  const graph = createGraph()
  const input = (name: string) => graph.input(name, 'float32', [2, 2])
  graph.output('y', build(graph, input('a'), input('b')))
  return graph.model(new Map())
}

const shortOf = ({ nodes }: OnnxModel) =>
  nodes.map(({ opType, inputs, outputs, attributes }) => {
    const alpha = attributes.get('alpha')
    return `${opType}(${inputs}) ${alpha?.kind === 'float' ? alpha.value : ''} ${outputs}`
  })

test('a scalar times a product is its alpha, on either side and with what was there', () => {
  const folded = modelOf((graph, a, b) =>
    graph.node('Mul', [graph.scalar(2), graph.node('Gemm', [a, b], { transB: { kind: 'int', value: 1 } })]),
  )
  expect(shortOf(scaleIntoProduct(folded))).toEqual(['Gemm(a,b) 2 y'])
  const again = modelOf((graph, a, b) => {
    const product = graph.node('Gemm', [a, b], { alpha: { kind: 'float', value: 0.5 } })
    return graph.node('Relu', [graph.node('Mul', [product, graph.scalar(3)])])
  })
  const { nodes } = scaleIntoProduct(again)
  expect(nodes.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu'])
  expect(nodes[0]!.attributes.get('alpha')).toEqual({ kind: 'float', value: 1.5 })
  expect(nodes[1]!.inputs).toEqual(nodes[0]!.outputs)
})

test.each<[string, (graph: Graph, a: Value, b: Value) => Value]>([
  [
    'is read elsewhere too',
    (graph, a, b) => {
      const product = graph.node('Gemm', [a, b])
      return graph.node('Add', [graph.node('Mul', [product, graph.scalar(2)]), product])
    },
  ],
  [
    'has something added',
    (graph, a, b) => graph.node('Mul', [graph.node('Gemm', [a, b, a]), graph.scalar(2)]),
  ],
  ['is multiplied by a tensor', (graph, a, b) => graph.node('Mul', [graph.node('Gemm', [a, b]), a])],
  ['is no Gemm', (graph, a, b) => graph.node('Mul', [graph.node('MatMul', [a, b]), graph.scalar(2)])],
])('a product that %s stays as it is', (_, build) => {
  const model = modelOf(build)
  expect(scaleIntoProduct(model)).toEqual(model)
})
