import type { AveragingSection, TrainSection } from './run-spec.ts'

/*
 * What a run file that leaves a key out gets where that depends on others: the winners of docs/convergence.md. Filled in
 * before the file is validated, so that a run spec has every value and means the same in any version.
 */

type Section = Readonly<Record<string, unknown>>

/** Best of the few peaks tried for each on the built-in models. */
const learningRates = {
  adamw: 3e-3,
  muon: 0.01,
  normuon: 0.01,
  sgd: 0.1,
  lion: 5e-4,
} as const satisfies Record<TrainSection['optimizer'], number>

/**
 * A mean of coarse updates that point apart is too short: signs want a longer outer step. Their scale is a mean, not a
 * peak, and loses little in a large block. Few large values want a residual that fades; so do a GPT's signs, but not where
 * workers may see different things.
 */
const ofCompressor: Readonly<Partial<Record<AveragingSection['compressor'], Section>>> = {
  sign: { blockSize: 4096, outerLearningRate: 1.4 },
  int8: { blockSize: 128 },
  int4: { blockSize: 128 },
  'sparse-loco': { errorFeedback: 0.95 },
  demo: { errorFeedback: 0.95 },
}

/**
 * NorMuon and signs where a GPT is trained. Other models do as well with AdamW, better where shards differ; a graph from
 * elsewhere may have running statistics, which signs would drown.
 */
export function withDefaults(file: unknown): unknown {
  if (!isSection(file)) return file
  const { model = {}, train = {}, averaging = {} } = file
  if (!isSection(model) || !isSection(train) || !isSection(averaging)) return file
  const { preset = 'gpt' } = model
  const optimizer = train.optimizer ?? (preset === 'gpt' ? 'normuon' : 'adamw')
  const compressor = averaging.compressor ?? (preset === 'onnx' ? 'int8' : 'sign')
  const learningRate = lookUp(learningRates, optimizer)
  const { outerLearningRate, ...others } = lookUp(ofCompressor, compressor) ?? {}
  const fading = compressor === 'sign' && preset === 'gpt' ? { errorFeedback: 0.7 } : {}
  const isPlainStep = (averaging.outer ?? 'sgd') === 'sgd'
  return {
    ...file,
    train: { optimizer, ...(learningRate === undefined ? {} : { learningRate }), ...train },
    averaging: {
      ...{ compressor, ...others, ...fading },
      ...(isPlainStep && outerLearningRate !== undefined ? { outerLearningRate } : {}),
      ...averaging,
    },
  }
}

const isSection = (value: unknown): value is Section =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Undefined for what validation refuses. */
const lookUp = <Value>(table: Readonly<Record<string, Value>>, name: unknown): Value | undefined =>
  typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined
