import { add, divide, minimum, multiply, subtract } from './arithmetic.ts'
import { gather, gatherElements, oneHot } from './indexing.ts'
import { concat, expand, identity, pad, reshapeOperator, slice, split, transpose } from './layout.ts'
import { layerNormalization } from './normalization.ts'
import type { Operator } from './operator.ts'
import {
  exponential,
  logarithm,
  negate,
  reciprocal,
  relu,
  sigmoid,
  sign,
  squareRoot,
  tanh,
} from './pointwise.ts'
import { gemm, matMul } from './products.ts'
import { logSoftmax, reduceMean, reduceSum, softmax } from './reductions.ts'

/** Every operator that a program may use: the allow-list is exactly what is understood here. */
export const operators: ReadonlyMap<string, Operator> = new Map([
  ['Add', add],
  ['Concat', concat],
  ['Div', divide],
  ['Exp', exponential],
  ['Expand', expand],
  ['Gather', gather],
  ['GatherElements', gatherElements],
  ['Gemm', gemm],
  ['Identity', identity],
  ['LayerNormalization', layerNormalization],
  ['Log', logarithm],
  ['LogSoftmax', logSoftmax],
  ['MatMul', matMul],
  ['Min', minimum],
  ['Mul', multiply],
  ['Neg', negate],
  ['OneHot', oneHot],
  ['Pad', pad],
  ['Reciprocal', reciprocal],
  ['ReduceMean', reduceMean],
  ['ReduceSum', reduceSum],
  ['Relu', relu],
  ['Reshape', reshapeOperator],
  ['Sigmoid', sigmoid],
  ['Sign', sign],
  ['Slice', slice],
  ['Softmax', softmax],
  ['Split', split],
  ['Sqrt', squareRoot],
  ['Sub', subtract],
  ['Tanh', tanh],
  ['Transpose', transpose],
])
