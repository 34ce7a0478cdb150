import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { gradients } from './gradients.ts'
import { createGraph } from './graph.ts'
import { arithmeticCases } from './operators/cases/arithmetic.ts'
import { convolutionCases } from './operators/cases/convolution.ts'
import { layoutCases } from './operators/cases/layout.ts'
import { normalizationCases } from './operators/cases/normalization.ts'
import { pointwiseCases } from './operators/cases/pointwise.ts'
import { productCases } from './operators/cases/products.ts'
import { reductionCases } from './operators/cases/reductions.ts'
import { compositions } from './operators/compositions/table.ts'
import { int } from './operators/operator.ts'
import { operators } from './operators/table.ts'

const ruled = [...operators].flatMap(([name, { gradient }]) => (gradient ? [name] : []))

test('every operator with a gradient is held against finite differences', () => {
  const cases = [
    arithmeticCases,
    convolutionCases,
    layoutCases,
    normalizationCases,
    pointwiseCases,
    productCases,
    reductionCases,
  ]
  const covered = new Set(cases.flatMap((table) => Object.keys(table).map((name) => name.split(/[ ,]/)[0])))
  expect([...ruled, ...compositions.keys()].filter((name) => !covered.has(name))).toEqual([])
})

test('every operator with a gradient is held against PyTorch, but for sums of others and random masks', () => {
  const golden = JSON.parse(
    readFileSync(new URL('fixtures/pytorch-gradients.json', import.meta.url), 'utf8'),
  ) as readonly { readonly op: string }[]
  const covered = new Set(golden.map(({ op }) => op))
  expect([...ruled, ...compositions.keys()].filter((name) => !covered.has(name))).toEqual([
    'Identity',
    'Dropout',
    'GlobalMaxPool',
    'Mean',
    'Sum',
  ])
})

test('an operator without a rule between parameter and loss is refused by name and place', () => {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [2])
  const hot = graph.node('OneHot', [graph.ints([0, 1]), graph.ints([3]), graph.node('Neg', [x])])
  const loss = graph.node('ReduceSum', [hot], { keepdims: int(0) })
  expect(() => gradients(graph, loss, [x])).toThrow(
    expect.objectContaining({ code: 'GRADIENT_UNKNOWN', message: expect.stringContaining('OneHot_1') }),
  )
})

test('a use that a rule does not cover is refused by name, place and reason', () => {
  const graph = createGraph()
  const [x, bound] = [graph.input('x', 'float32', [3]), graph.input('bound', 'float32', [])]
  const loss = graph.node('ReduceSum', [graph.node('Clip', [x, bound])], { keepdims: int(0) })
  expect(() => gradients(graph, loss, [bound])).toThrow(/Clip \(node Clip_0\).*bounds are not constants/)
  expect(gradients(graph, loss, [x])[0]!.shape).toEqual([3])
})

test('a parameter that the loss does not depend on has gradient zero', () => {
  const graph = createGraph()
  const [x, unused] = [graph.input('x', 'float32', [3]), graph.input('unused', 'float32', [2, 2])]
  const loss = graph.node('ReduceSum', [x], { keepdims: int(0) })
  expect(gradients(graph, loss, [x, unused])[1]!.shape).toEqual([2, 2])
})

test('a parameter that reaches the loss only by comparisons and indices has gradient zero', () => {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [3])
  const places = graph.node('ArgMax', [x], { keepdims: int(1) })
  const above = graph.node('Cast', [graph.node('Greater', [x, graph.scalar(0)])], { to: int(1) })
  const chosen = graph.node('Gather', [above, places])
  const loss = graph.node('ReduceSum', [chosen], { keepdims: int(0) })
  const before = graph.nodesSoFar.length
  expect(gradients(graph, loss, [x])[0]!.shape).toEqual([3])
  expect(graph.nodesSoFar.slice(before).map(({ opType }) => opType)).toEqual(['Expand'])
})

test('a composition is written as operators that programs may use', () => {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [2, 3])
  graph.node('Gelu', [x])
  expect(graph.nodesSoFar.map(({ opType }) => opType)).toEqual(['Mul', 'Mul', 'Erf', 'Add', 'Mul'])
  expect([...compositions.keys()].filter((name) => operators.has(name))).toEqual([])
})

test.each([
  ['text that no operator takes', 'Relu', { mode: { kind: 'string', value: 'a' } }, /attribute mode is text/],
  ['a composition that does not fit', 'GroupNormalization', {}, /GroupNormalization_0.*an input \[N, C, …\]/],
  ['an equation with a diagonal', 'Einsum', { equation: { kind: 'string', value: 'ii->i' } }, /letter twice/],
  ['an equation with an ellipsis', 'Einsum', { equation: { kind: 'string', value: '...i->i' } }, /equation/],
] as const)('%s is refused', (_, opType, attributes, reason) => {
  const graph = createGraph()
  const x = graph.input('x', 'float32', [3, 3])
  expect(() => graph.node(opType, [x], attributes)).toThrow(reason)
})

test('an equation whose letters have different sizes is refused', () => {
  const graph = createGraph()
  const [a, b] = [graph.input('a', 'float32', [2, 6]), graph.input('b', 'float32', [3, 4])]
  const equation = (value: string) => ({ equation: { kind: 'string', value } as const })
  expect(() => graph.node('Einsum', [a, b], equation('ij,jk->ik'))).toThrow(/sizes of j differ/)
  expect(() => graph.node('Einsum', [a, b], equation('ij,ij->'))).toThrow(/sizes of i differ/)
})
