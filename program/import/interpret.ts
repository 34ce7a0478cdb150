import { isMurmurError } from '../../protocol/errors.ts'
import type { ForeignNode } from './foreign-model.ts'
import { maxFoldedInAll } from './host-tensor.ts'
import { isConstant, type Operand, type OperandWriter, type Tensor } from './operand.ts'
import { shown, unsupportedOnnx } from './refusal.ts'
import type { Translating } from './translate.ts'
import { translationOf } from './translations.ts'

export interface Interpretation {
  readonly writer: OperandWriter
  readonly training: boolean
  /** Names that are read by some node or given out. */
  readonly used: ReadonlySet<string>
  updates(statistic: Tensor, next: Tensor): void
}

/**
 * Writes nodes into a program, adding what they compute to `names`. What depends only on constants and shapes is
 * computed at once, so the arithmetic on shapes that exporters write leaves nothing behind.
 * @throws MurmurError ONNX_UNSUPPORTED naming the node.
 */
export function interpret(
  nodes: readonly ForeignNode[],
  names: Map<string, Operand>,
  { writer, training, used, updates }: Interpretation,
): void {
  let left = maxFoldedInAll
  for (const node of nodes) {
    const { opType, attributes } = node
    // Named already: a parameter that the file only gives another name to.
    if (node.outputs.every((name) => names.has(name))) continue
    try {
      const inputs = node.inputs.map((name) => (name === '' ? undefined : names.get(name)))
      const outputCount = usedOutputs(node, used)
      const wanted = node.outputs.slice(0, outputCount).map((name) => used.has(name))
      const written = { writer, opType, attributes, training, updates }
      const translating: Translating = { ...written, inputs, outputCount, wanted }
      const made = translationOf(opType)!(translating)
      left -= newElements(inputs, made)
      if (left < 0) throw new Error(`with it, constants of more than ${maxFoldedInAll} values are computed`)
      node.outputs.slice(0, outputCount).forEach((name, index) => {
        const operand = made[index]
        if (operand === undefined) throw new Error(`it gives ${made.length} outputs of ${outputCount}`)
        if (name !== '') names.set(name, operand)
      })
    } catch (cause) {
      throw refused(node, cause)
    }
  }
}

/** Values of constants that were not there before: what only has another name or shape takes no room. */
function newElements(inputs: readonly (Operand | undefined)[], outputs: readonly Operand[]): number {
  const given = new Set(constantsOf(inputs))
  return constantsOf(outputs).reduce((sum, values) => sum + (given.has(values) ? 0 : values.length), 0)
}

const constantsOf = (operands: readonly (Operand | undefined)[]) =>
  operands
    .flatMap((operand) => (operand === undefined ? [] : 'items' in operand ? operand.items : [operand]))
    .filter(isConstant)
    .map(({ values }) => values)

/** Outputs after the last that is used need not be made; all parts of a Split are. */
function usedOutputs({ opType, outputs }: ForeignNode, used: ReadonlySet<string>): number {
  return opType === 'Split' ? outputs.length : outputs.findLastIndex((name) => used.has(name)) + 1
}

function refused({ name, opType }: ForeignNode, cause: unknown): Error {
  if (isMurmurError(cause, 'ONNX_UNSUPPORTED') || isMurmurError(cause, 'ONNX_MALFORMED')) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  return unsupportedOnnx(`node ${shown(name)} (${shown(opType)}): ${why}`, undefined, cause)
}
