import type { Graph } from '../graph.ts'
import { invalidModel } from '../invalid-model.ts'
import { elements, type Value } from '../operators/operator.ts'

/** Consecutive nodes of a forward pass, by their places in the graph, that are run again in the backward pass. */
export interface Segment {
  readonly first: number
  readonly last: number
}

/** What of a forward pass depends on its batch, and so takes memory in proportion to it. */
export interface Activations {
  readonly names: ReadonlySet<string>
  /** The values that the loss is computed from, the loss among them. */
  readonly live: ReadonlySet<string>
}

/** Where a forward pass begins and ends: the batch, or the part of one, and what the model says of it. */
export interface ForwardPass {
  readonly given: Value
  readonly logits: Value
}

export function activationsOf(graph: Graph, { given }: ForwardPass, loss: Value): Activations {
  const live = new Set([loss.name])
  for (const { inputs, outputs } of graph.nodesSoFar.toReversed()) {
    if (!outputs.some((name) => live.has(name))) continue
    for (const name of inputs) live.add(name)
  }
  const names = new Set([given.name])
  for (const { inputs, outputs } of graph.nodesSoFar)
    if (inputs.some((name) => names.has(name))) for (const name of outputs) names.add(name)
  return { names, live }
}

/**
 * The segments of a forward pass of which only what goes in is kept (Chen et al., "Training deep nets with sublinear memory
 * cost", arXiv 1604.06174, §3): between the boundaries that the model has marked, else between about √n of the n values
 * that all else follows from. What comes after the last boundary is run backward at once, and so never twice.
 * @throws MurmurError MODEL_INVALID (exit `usage`): the model has no such values.
 */
export function segmentsOf(graph: Graph, pass: ForwardPass, activations: Activations): readonly Segment[] {
  const { names, live } = activations
  const places = new Map(
    graph.nodesSoFar.flatMap(({ outputs }, index) => outputs.map((name) => [name, index] as const)),
  )
  const marked = graph.boundaries.filter(({ name }) => names.has(name) && live.has(name))
  const ends = (marked.length > 0 ? marked : evenBoundaries(graph, pass, activations)).map(
    ({ name }) => places.get(name) ?? -1,
  )
  return ends.slice(1).map((last, index) => ({ first: ends[index]! + 1, last }))
}

function evenBoundaries(graph: Graph, pass: ForwardPass, activations: Activations): readonly Value[] {
  const narrow = narrowValues(graph, pass, activations)
  if (narrow.length < 3)
    throw invalidModel(
      'train.recompute needs a model that is a chain of parts, one computed from the one before it alone: this one has no such parts',
    )
  const total = narrow.at(-1)!.before
  const count = Math.max(2, Math.round(Math.sqrt(narrow.length)))
  const chosen = [narrow[0]!]
  for (const one of narrow.slice(1)) {
    const due = (total * chosen.length) / count
    if (one.before >= due) chosen.push(one)
  }
  return chosen.map(({ value }) => value)
}

interface NarrowValue {
  readonly value: Value
  /** Elements of all activations before it. */
  readonly before: number
}

/** The real values that are, at their place in the forward pass, all that the rest of it reads of the batch; the batch first. */
function narrowValues(
  graph: Graph,
  { given, logits }: ForwardPass,
  { names, live }: Activations,
): readonly NarrowValue[] {
  const nodes = graph.nodesSoFar
  const end = nodes.findIndex(({ outputs }) => outputs.includes(logits.name))
  const lastUse = new Map<string, number>()
  nodes.forEach(({ inputs, outputs }, index) => {
    if (outputs.some((name) => live.has(name))) for (const name of inputs) lastUse.set(name, index)
  })
  const open = new Set([given.name])
  const found: NarrowValue[] = given.type === 'float32' ? [{ value: given, before: 0 }] : []
  let before = 0
  nodes.slice(0, end + 1).forEach(({ inputs, outputs }, index) => {
    const made = outputs.filter((name) => names.has(name) && live.has(name))
    if (made.length === 0) return
    for (const name of made) {
      before += elements(graph.value(name).shape)
      if (lastUse.has(name)) open.add(name)
    }
    for (const name of inputs) if (lastUse.get(name) === index) open.delete(name)
    const value =
      open.size === 1 && made.length === 1 && open.has(made[0]!) ? graph.value(made[0]!) : undefined
    if (value?.type === 'float32' && value.shape.length > 0) found.push({ value, before })
  })
  return found
}
