import type { TaskKind, TensorSignature } from '../program-info.ts'
import type { ForeignInput, ForeignModel, ForeignNode } from './foreign-model.ts'
import { shown, unsupportedOnnx } from './refusal.ts'

/** What a file takes and gives, before any batch is known. */
export interface FileSignature {
  readonly data: ForeignInput
  /** Null where the loss is not part of the graph. */
  readonly targets: ForeignInput | null
  readonly output: string
}

/**
 * Exactly one data input, and one output; a second input is the targets of a graph that computes its own loss.
 * @throws MurmurError ONNX_UNSUPPORTED naming what is too much or missing.
 */
export function signatureOf({ inputs, outputs }: ForeignModel): FileSignature {
  const [data, targets, ...others] = inputs
  if (data === undefined) throw unsupportedOnnx('it has no input')
  if (others.length > 0)
    throw unsupportedOnnx(
      `it has the further inputs ${others.map(({ name }) => shown(name)).join(', ')}`,
      'export a module whose forward takes the data, or the data and the targets',
    )
  const [output, ...more] = outputs
  if (output === undefined) throw unsupportedOnnx('it has no output')
  if (more.length > 0)
    throw unsupportedOnnx(
      `it has the further outputs ${more.slice(0, 8).map(shown).join(', ')}`,
      'export a module whose forward returns the logits or the loss alone',
    )
  if (data.dims.length === 0) throw unsupportedOnnx(`input ${shown(data.name)} has no axis of rows`)
  if (data.type === 'bool' || targets?.type === 'bool')
    throw unsupportedOnnx('an input of truth values cannot be fed')
  return { data, targets: targets ?? null, output }
}

/** Rows that the file was exported for; null where any number will do. */
export function fixedBatch({ data, targets }: FileSignature): number | null {
  for (const input of [data, targets]) if (typeof input?.dims[0] === 'number') return input.dims[0]
  return null
}

/**
 * An input for a batch of so many rows.
 * @throws MurmurError ONNX_UNSUPPORTED where another axis than that of the rows has no size.
 */
export function batched({ name, type, dims }: ForeignInput, batch: number): TensorSignature {
  const shape = dims.map((size, axis) => {
    if (axis === 0) return batch
    if (typeof size === 'number') return size
    throw unsupportedOnnx(
      `axis ${axis} of input ${shown(name)} has no size${size === '' ? '' : ` (${shown(size)})`}`,
      'export with every axis but the first fixed',
    )
  })
  if (shape.length > 8 || shape.some((size) => size > 2 ** 24))
    throw unsupportedOnnx(`input ${shown(name)} has the shape [${shape}]`)
  return { type: type === 'int64' ? 'int64' : 'float32', shape }
}

export interface GraphParts {
  readonly forward: readonly ForeignNode[]
  /** The nodes that depend on the targets. */
  readonly loss: readonly ForeignNode[]
  /** What the forward pass hands over: logits, or values. */
  readonly logits: string
}

/**
 * Cuts a graph that computes its loss in two: what does not depend on the targets' values, and the rest, which may take
 * one trained value of the first. Without targets, all is forward pass.
 * @throws MurmurError ONNX_UNSUPPORTED when several values cross.
 */
export function graphParts(
  live: readonly ForeignNode[],
  { targets, output }: FileSignature,
  isParameter: (name: string) => boolean,
): GraphParts {
  if (targets === null) return { forward: live, loss: [], logits: output }
  const late = dependents(live, (name) => name === targets.name)
  const isLate = ({ outputs }: ForeignNode) => outputs.some((name) => late.has(name))
  const [forward, loss] = [live.filter((node) => !isLate(node)), live.filter(isLate)]
  if (!late.has(output))
    throw unsupportedOnnx(`its output does not depend on its second input, ${shown(targets.name)}`)
  const trained = dependents(forward, isParameter)
  const taken = loss.flatMap(({ inputs }) => inputs)
  const crossing = new Set(taken.filter((name) => trained.has(name) || isParameter(name)))
  const [logits, ...others] = crossing
  if (logits === undefined || others.length > 0 || isParameter(logits))
    throw unsupportedOnnx(
      `its loss takes ${crossing.size} trained values: ${[...crossing].slice(0, 4).map(shown).join(', ')}`,
      'export a loss of the logits and the targets alone, or the forward pass alone',
    )
  return { forward, loss, logits }
}

/** Names whose values depend on some of those given; shapes do not. */
function dependents(nodes: readonly ForeignNode[], given: (name: string) => boolean): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { opType, inputs, outputs } of nodes) {
    if (opType === 'Shape' || opType === 'Size') continue
    if (inputs.some((name) => names.has(name) || given(name))) for (const name of outputs) names.add(name)
  }
  return names
}

/** Of a graph with its own loss: int64 targets beside tokens are the next tokens, beside floats classes. */
export function taskOf(data: TensorSignature, targets: TensorSignature): TaskKind {
  if (targets.type === 'float32') return 'regression'
  return data.type === 'int64' && data.shape.join() === targets.shape.join() ? 'language' : 'classification'
}
