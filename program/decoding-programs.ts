import { isMurmurError } from '../protocol/errors.ts'
import { checkProgram } from './check-program.ts'
import { fuse } from './fuse/fuse.ts'
import { createGraph, type Graph } from './graph.ts'
import { adaptersOf, type LoraOptions } from './lora/adapters.ts'
import { adapted } from './lora/lora.ts'
import type { Model } from './model.ts'
import { type GptSpec, type ModelShape, modelOf } from './model-spec.ts'
import { encodeModel } from './onnx/model-proto.ts'
import { sameShape, type Value } from './operators/operator.ts'
import type { ParameterTable } from './parameter-table.ts'
import { type DecodingPass, gptDecodingStep, gptPrefill, type LayerCache } from './presets/gpt-decoding.ts'
import { gptDesignCount } from './presets/gpt-parameters.ts'
import { designOf, type GptDesign } from './presets/gpt-shape.ts'
import { encodeInfo, type ProgramInfo, parameterInput } from './program-info.ts'
import { appendInput } from './program-inputs.ts'
import { buildSamplingProgram } from './training-program.ts'

/** Two programs that make a text token by token, over a run's parameters. */
export interface DecodingPrograms {
  /** A whole window: each parameter, `inputs` i64[1,T], `last` i64[1] → `logits` [1,V], `keys0` [K,D,T], `values0` [K,T,D], … */
  readonly prefill: Uint8Array
  /** One token: each parameter, `inputs` i64[1,1], `position` i64[1], `keys0`, `values0`, … (zeros from `position` on) → `logits`, `next_keys0` [K,D,1], `next_values0` [K,1,D], … */
  readonly step: Uint8Array
}

/** What of a run spec says which model it trains. */
export interface TrainedModel {
  readonly model: ModelShape | { readonly preset: 'onnx' }
  readonly lora: LoraOptions | null
}

/**
 * The decoding programs of a run, if its sampling program is to the byte the one that this version makes of the model it
 * names: then they say the same of a text. Null otherwise, as for models that were imported.
 * @throws MurmurError what `checkProgram` throws of the sampling program.
 */
export function decodingProgramsOf(
  sampling: Uint8Array,
  { model, lora }: TrainedModel,
): DecodingPrograms | null {
  if (model.preset !== 'gpt') return null
  const { table, logits } = checkProgram(sampling)
  const shape = { ...model, vocabulary: logits.at(-1)! }
  try {
    // A run names its model as it likes: no table is laid out that is larger than the program's.
    if (gptDesignCount(designOf(shape)) > table.count) return null
    // … nor a mask of its context that is larger than the program, which would hold it.
    if (4 * shape.context ** 2 > sampling.length) return null
    const adapt = adaptation(shape, lora)
    const single = adapt(modelOf({ ...shape, batch: 1 }))
    if (!sameParameters(single.table, table)) return null
    if (Buffer.compare(buildSamplingProgram(single, table), sampling) !== 0) return null
  } catch (error) {
    if (isMurmurError(error, 'MODEL_INVALID')) return null
    throw error
  }
  return buildDecodingPrograms(shape, table, lora)
}

/** Whether two tables hold the same, in whatever order. */
function sameParameters(one: ParameterTable, other: ParameterTable): boolean {
  const shapes = new Map(other.parameters.map(({ name, shape }) => [name, shape]))
  return (
    one.parameters.length === shapes.size &&
    one.parameters.every(({ name, shape }) => sameShape(shapes.get(name) ?? [0], shape))
  )
}

/** What a run's factors make of its model. */
function adaptation(shape: GptSpec, lora: LoraOptions | null): (model: Model) => Model {
  if (lora === null) return (model) => model
  const adapters = adaptersOf(modelOf({ ...shape, batch: 1 }), lora)
  return (model) => adapted(model, adapters)
}

/**
 * Parameters are inputs of their own, so that no step copies them.
 * @throws MurmurError MODEL_INVALID (exit `usage`).
 */
export function buildDecodingPrograms(
  shape: GptSpec,
  table: ParameterTable,
  lora: LoraOptions | null = null,
): DecodingPrograms {
  const design = designOf(shape)
  const adapt = adaptation(shape, lora)
  const plain = modelOf({ ...shape, batch: 1 })
  /** Low-rank factors find the products of a pass as those of any model's logits; what is kept is taken out on the way. */
  const write = (
    graph: Graph,
    prefix: string,
    { tokens, parameter }: PassInputs,
    pass: (graph: Graph, parameter: PassInputs['parameter']) => DecodingPass,
  ) => {
    let kept: readonly LayerCache[] = []
    const model: Model = {
      ...plain,
      logits: (watched, _, own) => {
        const made = pass(watched, own)
        kept = made.kept
        return made.logits
      },
    }
    giveOut(graph, prefix, { logits: adapt(model).logits(graph, tokens, parameter), kept })
  }
  const prefill = encode('prefill', design, table, design.context, (graph, inputs) => {
    const { tokens } = inputs
    const last = graph.input('last', 'int64', [1])
    write(graph, '', inputs, (watched, own) => gptPrefill(watched, design, { tokens, last }, own))
  })
  const step = encode('decoding', design, table, 1, (graph, inputs) => {
    const token = inputs.tokens
    const position = graph.input('position', 'int64', [1])
    const caches = cacheInputs(graph, design)
    write(graph, 'next_', inputs, (watched, own) =>
      gptDecodingStep(watched, design, { token, position }, caches, own),
    )
  })
  return { prefill, step }
}

interface PassInputs {
  readonly tokens: Value
  parameter(name: string): Value
}

function cacheInputs(
  graph: Graph,
  { layers, keyValueHeads: K, context: T, headWidth: D }: GptDesign,
): readonly LayerCache[] {
  return Array.from({ length: layers }, (_, layer) => ({
    keys: graph.input(`keys${layer}`, 'float32', [K, D, T]),
    values: graph.input(`values${layer}`, 'float32', [K, T, D]),
  }))
}

function giveOut(graph: Graph, prefix: string, { logits, kept }: DecodingPass): void {
  graph.output('logits', logits)
  for (const [layer, { keys, values }] of kept.entries()) {
    graph.output(`${prefix}keys${layer}`, keys)
    graph.output(`${prefix}values${layer}`, values)
  }
}

function encode(
  kind: 'prefill' | 'decoding',
  { layers, keyValueHeads, context, headWidth, vocabulary }: GptDesign,
  table: ParameterTable,
  tokens: number,
  append: (graph: Graph, inputs: PassInputs) => void,
): Uint8Array {
  const graph = createGraph()
  const parameters = new Map(
    table.parameters.map(({ name, shape }) => [name, graph.input(parameterInput(name), 'float32', shape)]),
  )
  const inputs = { type: 'int64', shape: [1, tokens] } as const
  append(graph, {
    tokens: appendInput(graph, 'inputs', inputs),
    parameter: (name) => parameters.get(name)!,
  })
  const info: ProgramInfo = {
    ...{ kind, task: 'language', inputs, targets: inputs, tokensPerStep: tokens, table },
    logits: [1, vocabulary],
    cache: [layers, keyValueHeads, context, headWidth],
    ...{ parameterCount: table.count, optimizerSlots: [], betas: [] },
  }
  return encodeModel(fuse(graph.model(encodeInfo(info))))
}
