import type { Tensor } from '@tensorflow/tfjs-core'
import {
  type Attributes,
  floatAttribute,
  intAttribute,
  intsAttribute,
} from '../../../program/operators/operator.ts'
import type { Tf } from './backend.ts'

/** One node about to be computed. */
export interface RuleInput {
  readonly tf: Tf
  readonly x: readonly Tensor[]
  readonly attributes: Attributes
  readonly outputCount: number
  /** The constant integers of an input (shapes, axes, bounds); undefined when the input is left out. */
  ints(index: number): readonly number[] | undefined
}

/** What an operator computes. Intermediate tensors are freed by the caller. */
export type Rule = (node: RuleInput) => Tensor | readonly Tensor[]

export const intOf = ({ attributes }: RuleInput, name: string, fallback: number): number =>
  intAttribute(attributes, name, fallback)
export const floatOf = ({ attributes }: RuleInput, name: string, fallback: number): number =>
  floatAttribute(attributes, name, fallback)
export const intsOf = ({ attributes }: RuleInput, name: string): readonly number[] | undefined =>
  intsAttribute(attributes, name)

export const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export const resolve = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** Computes along the last axis what is asked along another one. */
export function alongLast(tf: Tf, x: Tensor, axis: number, compute: (turned: Tensor) => Tensor): Tensor {
  const last = x.rank - 1
  if (axis === last) return compute(x)
  const order = x.shape.map((_, index) => (index === axis ? last : index === last ? axis : index))
  return tf.transpose(compute(tf.transpose(x, order)), order)
}
