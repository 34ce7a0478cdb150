import { MurmurError } from '../protocol/errors.ts'
import type { Graph } from './graph.ts'
import type { OnnxNode } from './onnx/model-proto.ts'
import type { Value } from './operators/operator.ts'
import { operators } from './operators/table.ts'

/**
 * Appends the reverse-mode gradient of a scalar to the graph it was computed in (Griewank & Walther, "Evaluating
 * derivatives", 2008, §3.2): the nodes are the tape.
 * @returns ∂loss/∂v for each v of `parameters`, of v's shape; zeros where the loss does not depend on it.
 * @throws MurmurError GRADIENT_UNKNOWN naming an operator on the way that has no rule.
 */
export function gradients(graph: Graph, loss: Value, parameters: readonly Value[]): readonly Value[] {
  const tape = [...graph.nodesSoFar]
  const active = reachable(tape, parameters)
  const collected = new Map<string, Value>([[loss.name, graph.floats([1], loss.shape)]])
  for (const node of tape.reverse()) {
    const outputs = node.outputs.map((name) => graph.value(name))
    const wanted = node.inputs.map((name) => active.has(name))
    if (!wanted.includes(true) || !node.outputs.some((name) => collected.has(name))) continue
    const rule = operators.get(node.opType)?.gradient
    if (rule === undefined) throw unknownGradient(node)
    const inputs = node.inputs.map((name) => graph.value(name))
    const results = rule({
      graph,
      node,
      inputs,
      outputs,
      gradients: node.outputs.map((name) => collected.get(name)),
      wanted,
    })
    results.forEach((gradient, index) => {
      if (gradient === undefined || !wanted[index]) return
      const { name } = inputs[index]!
      const sofar = collected.get(name)
      collected.set(name, sofar ? graph.node('Add', [sofar, gradient]) : gradient)
    })
  }
  return parameters.map(
    ({ name, shape }) => collected.get(name) ?? graph.node('Expand', [graph.scalar(0), graph.ints(shape)]),
  )
}

/** Names of all values that depend on a parameter. */
function reachable(tape: readonly OnnxNode[], parameters: readonly Value[]): ReadonlySet<string> {
  const names = new Set(parameters.map(({ name }) => name))
  for (const { inputs, outputs } of tape) {
    if (inputs.some((name) => names.has(name))) for (const name of outputs) names.add(name)
  }
  return names
}

function unknownGradient({ name, opType }: OnnxNode): MurmurError {
  return new MurmurError('GRADIENT_UNKNOWN', {
    message: `operator ${opType} (node ${name}) lies between a parameter and the loss, but has no gradient rule`,
    next: 'rewrite the model without it, or add its rule in program/operators/',
    exit: 'usage',
    details: { operator: opType },
  })
}
