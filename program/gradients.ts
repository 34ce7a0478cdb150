import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Graph } from './graph.ts'
import type { OnnxNode } from './onnx/model-proto.ts'
import type { Differentiation, Operator, Value } from './operators/operator.ts'
import { operators } from './operators/table.ts'
import { recomputed } from './recompute/recomputed.ts'
import { activationsOf, type ForwardPass, type Segment, segmentsOf } from './recompute/segments.ts'

/**
 * Appends the reverse-mode gradient of a scalar to the graph it was computed in (Griewank & Walther, "Evaluating
 * derivatives", 2008, §3.2): the nodes are the tape.
 * @param again the forward pass whose segments are run again in the backward pass (recompute/) instead of being kept for
 * it; null keeps everything
 * @returns ∂loss/∂v for each v of `parameters`, of v's shape; zeros where the loss does not depend on it.
 * @throws MurmurError GRADIENT_UNKNOWN naming an operator on the way that has no rule, and its node; MODEL_INVALID: there
 * are no segments.
 */
export function gradients(
  graph: Graph,
  loss: Value,
  parameters: readonly Value[],
  again: ForwardPass | null = null,
): readonly Value[] {
  const tape = [...graph.nodesSoFar]
  const active = reachable(graph, parameters)
  const collected = new Map<string, Value>([[loss.name, graph.floats([1], loss.shape)]])
  const readBy = again === null ? null : recomputing(graph, again, loss)
  for (const [place, node] of [...tape.entries()].reverse()) {
    const wanted = node.inputs.map((name) => active.has(name))
    if (!wanted.includes(true) || !node.outputs.some((name) => collected.has(name))) continue
    const rule = operators.get(node.opType)?.gradient
    if (rule === undefined) throw unknownGradient(node)
    const incoming = node.outputs.map((name) => collected.get(name))
    const copies = readBy?.(place, incoming)
    const read = (name: string) => copies?.get(name) ?? graph.value(name)
    const [inputs, outputs] = [node.inputs.map(read), node.outputs.map(read)]
    const results = applyRule(rule, { graph, node, inputs, outputs, gradients: incoming, wanted })
    results.forEach((gradient, index) => {
      if (gradient === undefined || !wanted[index]) return
      const name = node.inputs[index]!
      const sofar = collected.get(name)
      collected.set(name, sofar ? graph.node('Add', [sofar, gradient]) : gradient)
    })
  }
  return parameters.map(
    ({ name, shape }) => collected.get(name) ?? graph.node('Expand', [graph.scalar(0), graph.ints(shape)]),
  )
}

/** What the rules of a place of the tape read in place of what the forward pass computed there. */
function recomputing(graph: Graph, pass: ForwardPass, loss: Value) {
  const activations = activationsOf(graph, pass, loss)
  const segments = segmentsOf(graph, pass, activations)
  const written = new Map<Segment, ReadonlyMap<string, Value>>()
  return (
    place: number,
    incoming: readonly (Value | undefined)[],
  ): ReadonlyMap<string, Value> | undefined => {
    const segment = segments.find(({ first, last }) => place >= first && place <= last)
    if (segment === undefined) return undefined
    const copies =
      written.get(segment) ??
      recomputed(graph, segment, activations, incoming.find((gradient) => gradient !== undefined)!)
    written.set(segment, copies)
    return copies
  }
}

/**
 * Names of all real values that depend on a parameter. Truth values and integers are piecewise constant in it: what a
 * comparison, an ArgMax or a Cast to integers gives has no derivative to hand on.
 */
function reachable(graph: Graph, parameters: readonly Value[]): ReadonlySet<string> {
  const names = new Set(parameters.map(({ name }) => name))
  for (const { inputs, outputs } of graph.nodesSoFar) {
    if (!inputs.some((name) => names.has(name))) continue
    for (const name of outputs) if (graph.value(name).type === 'float32') names.add(name)
  }
  return names
}

/** @throws MurmurError GRADIENT_UNKNOWN naming the node whose rule does not cover this use of its operator. */
function applyRule(
  rule: NonNullable<Operator['gradient']>,
  differentiation: Differentiation,
): readonly (Value | undefined)[] {
  try {
    return rule(differentiation)
  } catch (cause) {
    if (isMurmurError(cause)) throw cause
    const { name, opType } = differentiation.node
    throw new MurmurError('GRADIENT_UNKNOWN', {
      message: `operator ${opType} (node ${name}) cannot be differentiated as it is used: ${cause instanceof Error ? cause.message : cause}`,
      next: 'rewrite this part of the model, or extend its rule in program/operators/',
      exit: 'usage',
      cause,
      details: { operator: opType },
    })
  }
}

function unknownGradient({ name, opType }: OnnxNode): MurmurError {
  return new MurmurError('GRADIENT_UNKNOWN', {
    message: `operator ${opType} (node ${name}) lies between a parameter and the loss, but has no gradient rule`,
    next: 'rewrite the model without it, or add its rule in program/operators/',
    exit: 'usage',
    details: { operator: opType },
  })
}
