import { expect, test } from 'vitest'
import type { Attribute } from '../onnx/model-proto.ts'
import { int, ints, type ValueType } from '../operators/operator.ts'
import { folds } from './fold.ts'
import { castTensor } from './fold-elementwise.ts'
import { type HostTensor, maxFoldedElements, valuesFor } from './host-tensor.ts'

const i = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  ...{ type: 'int64', shape },
  values: Float64Array.from(values),
})
const f = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  ...{ type: 'float32', shape },
  values: Float32Array.from(values),
})
const b = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor => ({
  ...i(values, shape),
  type: 'bool',
})
const matrix = f([1, 2, 3, 4, 5, 6], [2, 3])

const fold = (
  opType: string,
  inputs: readonly HostTensor[],
  attributes: Readonly<Record<string, Attribute>> = {},
  outputCount = 1,
) => folds.get(opType)!({ inputs, attributes: new Map(Object.entries(attributes)), outputCount })

test.each<[string, readonly HostTensor[], Readonly<Record<string, Attribute>>, HostTensor]>([
  ['Add', [matrix, f([10, 20, 30])], {}, f([11, 22, 33, 14, 25, 36], [2, 3])],
  ['Add', [f([0.1], []), f([0.2], [])], {}, f([Math.fround(Math.fround(0.1) + Math.fround(0.2))], [])],
  ['Sub', [i([5], []), i([7, 2])], {}, i([-2, 3])],
  ['Div', [i([7, -7]), i([2], [])], {}, i([3, -3])],
  ['Div', [f([1]), f([0])], {}, f([Number.POSITIVE_INFINITY])],
  ['Mod', [i([7, -7]), i([3])], {}, i([1, 2])],
  ['Mod', [f([7, -7]), f([3])], { fmod: int(1) }, f([1, -1])],
  ['Round', [f([0.5, 1.5, -0.5, 2.4])], {}, f([0, 2, 0, 2])],
  ['Equal', [i([1, 2]), i([1])], {}, b([1, 0])],
  ['Where', [b([1, 0]), f([1, 2]), f([-1], [])], {}, f([1, -1])],
  ['Not', [b([1, 0])], {}, b([0, 1])],
  ['Reshape', [matrix, i([3, -1])], {}, f([1, 2, 3, 4, 5, 6], [3, 2])],
  ['Transpose', [matrix], { perm: ints([1, 0]) }, f([1, 4, 2, 5, 3, 6], [3, 2])],
  ['Expand', [f([1, 2], [2, 1]), i([2, 2])], {}, f([1, 1, 2, 2], [2, 2])],
  ['Tile', [f([1, 2], [1, 2]), i([2, 2])], {}, f([1, 2, 1, 2, 1, 2, 1, 2], [2, 4])],
  ['Slice', [i([4, 5, 6, 7]), i([-1]), i([-9]), i([0]), i([-2])], {}, i([7, 5])],
  ['Slice', [matrix, i([1]), i([Number.MAX_SAFE_INTEGER]), i([1])], {}, f([2, 3, 5, 6], [2, 2])],
  ['Slice', [i([4, 5]), i([2]), i([9])], {}, i([], [0])],
  ['Gather', [matrix, i([-1], [])], { axis: int(1) }, f([3, 6])],
  ['Gather', [i([7, 8, 9]), i([2, 0])], {}, i([9, 7])],
  ['GatherND', [matrix, i([1, 2, 0, 0], [2, 2])], {}, f([6, 1])],
  ['Concat', [i([1]), i([2, 3])], { axis: int(0) }, i([1, 2, 3])],
  ['Concat', [matrix, f([7, 8], [2, 1])], { axis: int(1) }, f([1, 2, 3, 7, 4, 5, 6, 8], [2, 4])],
  ['Trilu', [f([1, 1, 1, 1], [2, 2]), i([0], [])], { upper: int(0) }, f([1, 0, 1, 1], [2, 2])],
  ['Trilu', [f([1, 1, 1, 1], [2, 2]), i([1], [])], { upper: int(1) }, f([0, 1, 0, 0], [2, 2])],
  ['Range', [i([1], []), i([8], []), i([3], [])], {}, i([1, 4, 7])],
  ['ReduceSum', [matrix, i([0])], { keepdims: int(0) }, f([5, 7, 9])],
  ['ReduceProd', [i([2, 3, 4])], { keepdims: int(0) }, i([24], [])],
  ['ReduceMean', [matrix], { axes: ints([-1]) }, f([2, 5], [2, 1])],
  ['CumSum', [matrix, i([0], [])], {}, f([1, 2, 3, 5, 7, 9], [2, 3])],
])('%s of constants is what ONNX says', (opType, inputs, attributes, wanted) => {
  expect(fold(opType, inputs, attributes)).toEqual([wanted])
})

test('a split gives all parts', () => {
  expect(fold('Split', [matrix, i([1, 2])], { axis: int(1) }, 2)).toEqual([
    f([1, 4], [2, 1]),
    f([2, 3, 5, 6], [2, 2]),
  ])
})

test('casts cut towards zero, and truth is what is not zero', () => {
  const kinds: readonly ValueType[] = ['int64', 'bool', 'float32']
  expect(kinds.map((type) => [...castTensor(f([-1.5, 0, 2.9]), type).values])).toEqual([
    [-1, 0, 2],
    [1, 0, 1],
    [-1.5, 0, Math.fround(2.9)],
  ])
})

test.each<[string, readonly HostTensor[]]>([
  ['Div', [i([1]), i([0])]],
  ['Mod', [i([1]), i([0])]],
  ['Gather', [i([1]), i([3])]],
  ['Range', [i([0], []), i([1], []), i([0], [])]],
  ['Expand', [f([1], []), i([2 ** 20, 2 ** 20])]],
  ['Slice', [i([1]), i([0]), i([1]), i([0]), i([0])]],
])('%s that cannot be computed is refused', (opType, inputs) => {
  expect(() => fold(opType, inputs)).toThrow(Error)
})

test('nothing larger than the limit is made', () => {
  expect(() => valuesFor('float32', [maxFoldedElements + 1])).toThrow(/too large/)
  expect(() => valuesFor('int64', [2 ** 40, 2 ** 40])).toThrow(/too large/)
})
