import type { WrittenAttribute, WrittenAttributes } from '../operators/operator.ts'
import type { ForeignAttribute } from './foreign-model.ts'
import { asTensor, type Operand, type OperandWriter, type Tensor } from './operand.ts'

/** One node of the imported graph, with what its names stand for. */
export interface Translating {
  readonly writer: OperandWriter
  readonly opType: string
  /** As many as the node names; undefined where one is left out. */
  readonly inputs: readonly (Operand | undefined)[]
  readonly attributes: ReadonlyMap<string, ForeignAttribute>
  readonly outputCount: number
  /** Which of these outputs are read by some node or given out. */
  readonly wanted: readonly boolean[]
  /** Whether this is the forward pass of training. */
  readonly training: boolean
  /** Says that a statistic of the table is updated to this value by each step. */
  updates(statistic: Tensor, next: Tensor): void
}

/** Writes a node as the operators of opset 17 that programs have. Throws an Error that says what does not fit. */
export type Translation = (node: Translating) => readonly Operand[]

/** The inputs that are there; none may be left out between them. */
export function tensorsOf({ inputs }: Translating): readonly Tensor[] {
  const given = inputs.findLastIndex((input) => input !== undefined) + 1
  return inputs.slice(0, given).map(asTensor)
}

export function intOf({ attributes }: Translating, name: string, fallback: number): number {
  const attribute = attributes.get(name)
  if (attribute === undefined) return fallback
  if (attribute.kind !== 'int') throw new Error(`attribute ${name} is not an integer`)
  return attribute.value
}

export function textOf({ attributes }: Translating, name: string, fallback: string): string {
  const attribute = attributes.get(name)
  if (attribute === undefined) return fallback
  if (attribute.kind !== 'string') throw new Error(`attribute ${name} is not text`)
  return attribute.value
}

export function floatOf({ attributes }: Translating, name: string, fallback: number): number {
  const attribute = attributes.get(name)
  if (attribute === undefined) return fallback
  if (attribute.kind !== 'float') throw new Error(`attribute ${name} is not a number`)
  return attribute.value
}

export function intsOf({ attributes }: Translating, name: string): readonly number[] | undefined {
  const attribute = attributes.get(name)
  if (attribute === undefined) return undefined
  if (attribute.kind !== 'ints') throw new Error(`attribute ${name} is not a list of integers`)
  return attribute.values
}

/**
 * Attributes that only say what is the case anyway, with the one value at which they do. A rule here knows nothing of
 * them, so any other value is refused.
 */
const unneeded: ReadonlyMap<string, string | number> = new Map<string, string | number>([
  ['auto_pad', 'NOTSET'],
  ['noop_with_empty_axes', 0],
  ['saturate', 1],
  ['select_last_index', 0],
  ['stash_type', 1],
  ['storage_order', 0],
])

/** A node's attributes as programs take them. */
export function writtenAttributes(
  { attributes }: Pick<Translating, 'attributes'>,
  ...dropped: readonly string[]
): WrittenAttributes {
  const written: Record<string, WrittenAttribute> = {}
  for (const [name, attribute] of attributes) {
    if (dropped.includes(name)) continue
    const { kind } = attribute
    if (unneeded.has(name)) {
      if ((kind === 'int' || kind === 'string') && attribute.value === unneeded.get(name)) continue
      throw new Error(`attribute ${name} is not ${unneeded.get(name)}`)
    }
    if (kind === 'tensor' || kind === 'floats' || kind === 'strings')
      throw new Error(`attribute ${name} is not supported`)
    if (!/^[a-zA-Z][a-zA-Z0-9_]{0,40}$/.test(name)) throw new Error('an attribute has an odd name')
    Object.defineProperty(written, name, { value: attribute, enumerable: true })
  }
  return written
}
