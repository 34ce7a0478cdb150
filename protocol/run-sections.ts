import { z } from 'zod'
import { byteSize } from './byte-size.ts'
import { maxMembers, maxStepsPerRound } from './limits.ts'
import {
  type FileModelSection,
  type ModelSection,
  modelContradictions,
  modelSection,
} from './model-section.ts'

/* The sections that run file and run spec share. What a key means is said here once; docs/run-file.md is made of it. */

const count = (max: number) => z.int().min(1).max(max)
const fraction = z.number().min(0).max(1)

/** Of an optimizer; null is its own default. */
const constant = (schema: z.ZodNumber, what: string) => schema.nullable().default(null).describe(what)

const parameterPattern = z
  .string()
  .regex(/^[A-Za-z0-9_.*]{1,200}$/, 'a parameter’s name, * for any part of it')

export const loraSection = z.strictObject({
  rank: count(65_536).describe('r: columns of A, rows of B'),
  alpha: z.number().positive().max(1e6).describe('α: A·B is scaled by α / rank'),
  targets: z
    .array(parameterPattern)
    .min(1)
    .max(256)
    .nullable()
    .default(null)
    .describe('matrices by name; null is those of a gpt’s attention and MLP, of other models all'),
})

const trainSection = z.strictObject({
  batch: count(1_000_000).default(16).describe('rows a step and worker: of text, windows'),
  innerSteps: count(maxStepsPerRound).default(60).describe('H: optimizer steps between two averagings'),
  roundsPerEpoch: count(10_000).default(2).describe('E: rounds between two audits and payments'),
  epochs: count(10_000).default(3),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  optimizer: z
    .enum(['adamw', 'muon', 'normuon', 'sgd', 'lion'])
    .default('normuon')
    .describe(
      'takes the inner steps; muon and normuon train the matrices, AdamW the rest (docs/models.md). Of other models than gpt adamw',
    ),
  momentum: constant(z.number().min(0).max(0.999), 'muon, normuon, sgd: decay of the momentum; null is 0.9'),
  nesterov: z.boolean().default(false).describe('sgd: steps look ahead along the momentum'),
  beta1: constant(
    z.number().min(0).max(0.9999),
    'adamw, muon, normuon, lion: decay of the mean; null is 0.9',
  ),
  beta2: constant(
    z.number().min(0).max(0.999999),
    'adamw, muon, normuon: decay of the mean square, lion: of the momentum; null is 0.95, of lion 0.99',
  ),
  weightDecay: constant(
    z.number().min(0).max(10),
    'of matrices, decoupled; null is 0.1, of lion 0.3, of sgd 0',
  ),
  clipNorm: constant(
    z.number().positive().max(1e9),
    'a longer gradient is scaled down to this norm; null is 1',
  ),
  learningRate: z
    .number()
    .positive()
    .max(1)
    .default(0.01)
    .describe('peak inner learning rate; of adamw 0.003, sgd 0.1, lion 0.0005'),
  warmupSteps: z.int().min(0).max(1_000_000).default(20).describe('linear warm-up, in inner steps'),
  schedule: z
    .enum(['cosine', 'linear', 'wsd', 'constant'])
    .default('cosine')
    .describe('of the rate after the warm-up; wsd keeps the peak until the last decayShare of the steps'),
  decayShare: fraction.default(0.2).describe('wsd: share of the steps over which the rate falls'),
  finalLearningRate: fraction.default(0.1).describe('end of the schedule, as a fraction of the peak'),
  accumulate: count(4096)
    .default(1)
    .describe('parts that a step takes its batch in, one after the other: a divisor of batch; saves memory'),
  recompute: z
    .boolean()
    .default(false)
    .describe('blocks are computed again in the backward pass instead of being kept; saves memory'),
  compute: z
    .enum(['f32', 'f16'])
    .default('f32')
    .describe(
      'what products of matrices and convolutions are taken in, for cards; parameters stay f32 (docs/program.md)',
    ),
  freeze: z
    .array(parameterPattern)
    .max(256)
    .default([])
    .describe('parameters that stay as they are, by name; * stands for anything'),
  lora: loraSection
    .nullable()
    .default(null)
    .describe('trains low-rank factors A, B beside matrices and freezes all else (docs/models.md)'),
})

const averagingSection = z.strictObject({
  compressor: z
    .enum(['sparse-loco', 'f32', 'bf16', 'f16', 'int8', 'int4', 'sign', 'demo'])
    .default('sign')
    .describe('what a contribution holds of an update (docs/algorithms.md); of an ONNX graph int8'),
  topK: count(4096).default(128).describe('sparse-loco: values kept of each chunk of 4,096'),
  blockSize: count(4096)
    .default(4096)
    .describe('int8, int4, sign: values that share a scale; of int8 and int4 128'),
  transformSize: count(256).default(64).describe('demo: values of a cosine transform'),
  coefficients: count(256).default(2).describe('demo: coefficients kept of each transform'),
  averageTopK: count(4096)
    .nullable()
    .default(null)
    .describe(
      'values kept of each 4,096 of a round’s average, which the head makes and workers fetch; null: they fetch all contributions',
    ),
  errorFeedback: fraction
    .default(1)
    .describe(
      'β: how much of the unsent update is carried over; of signs of a GPT 0.7, of sparse-loco and demo 0.95',
    ),
  rule: z
    .enum([
      ...(['mean', 'trimmed-mean', 'median', 'krum', 'multi-krum', 'geometric-median'] as const),
      'centered-clipping',
    ])
    .default('geometric-median')
    .describe('how the updates of a round become one (docs/robustness.md)'),
  faulty: z
    .number()
    .min(0)
    .max(0.49)
    .default(0.3)
    .describe('share of members that trimmed-mean, krum and multi-krum are to withstand'),
  outer: z.enum(['sgd', 'nesterov', 'adam']).default('sgd').describe('outer optimizer'),
  outerLearningRate: z
    .number()
    .positive()
    .max(10)
    .nullable()
    .default(null)
    .describe('null is 1 for sgd, 0.7 for nesterov, 0.01 for adam; left out, sgd takes 1.4 on signs'),
  outerMomentum: z.number().min(0).max(0.999).default(0.9).describe('nesterov: μ; adam: β₁'),
  outerWarmupRounds: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('linear warm-up of the outer learning rate'),
  outerFinalLearningRate: fraction
    .default(1)
    .describe('its end after a straight line, as a fraction of the peak'),
  schedule: z
    .enum(['blocking', 'eager'])
    .default('blocking')
    .describe('eager: a round trains while the contributions of the one before it travel'),
  fragments: count(64)
    .default(1)
    .describe(
      'parts of the model that are averaged in turn, one a round: each moves so many times fewer bytes',
    ),
})

const workersSection = z.strictObject({
  min: count(maxMembers).default(1).describe('the run starts when this many can be had at once'),
  target: count(maxMembers)
    .nullable()
    .default(null)
    .describe('it takes more up to here before any run takes more than its own target; null is max'),
  max: count(maxMembers).default(32).describe('beyond the target it takes only what no other run wants'),
  quorum: fraction.default(0.5).describe('share of a round’s members that must contribute'),
  adaptive: z
    .boolean()
    .default(true)
    .describe('slower workers train fewer inner steps a round, by their measured speed'),
})

const speed = (of: string) => byteSize.prefault(0).describe(`${of}, bytes a second, measured`)

const resourcesSection = z.strictObject({
  device: z.enum(['any', 'cpu', 'cuda', 'webgpu']).default('any').describe('kind of device that trains'),
  memoryBytes: byteSize
    .prefault(0)
    .describe('memory of that device; what the program itself takes is demanded anyway'),
  cores: z.int().min(0).max(4096).default(0),
  diskBytes: byteSize.prefault(0).describe('free disk'),
  minTokensPerSecond: z
    .number()
    .min(0)
    .max(1e12)
    .default(0)
    .describe('of that device on the reference program (`murmur worker check`)'),
  minUpBytesPerSecond: speed('upload'),
  minDownBytesPerSecond: speed('download'),
})

const placementSection = z.strictObject({
  strategy: z
    .enum(['PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD'])
    .default('PACK')
    .describe('workers together or apart; STRICT_ waits rather than place them otherwise'),
  over: z
    .string()
    .regex(/^[a-z0-9][a-z0-9./-]{0,62}$/, 'a label key: lower-case letters, digits, dots, slashes, hyphens')
    .default('region')
    .describe('the label that says what is together'),
})

const auditSection = z.strictObject({
  roundsPerEpoch: count(1024).default(1).describe('rounds of workers drawn for replay each epoch'),
  segments: count(16).default(4).describe('trace boundaries in a round'),
})

const timingSection = z.strictObject({
  warmupTimeoutMs: count(86_400_000).default(120_000).describe('from enough workers joined to enough ready'),
  trainTimeoutMs: count(86_400_000).default(300_000).describe('a round’s training, at most'),
  commitGraceMs: count(86_400_000).default(20_000).describe('after a quorum has committed, for the others'),
  revealTimeoutMs: count(86_400_000).default(10_000),
  fetchTimeoutMs: count(86_400_000).default(20_000).describe('for one contribution to be fetched'),
  missesBeforeDemotion: count(1000)
    .default(3)
    .describe('rounds missed in a row, after which a worker must warm up again to be admitted'),
})

export const sections = {
  model: modelSection,
  train: trainSection,
  averaging: averagingSection,
  workers: workersSection,
  resources: resourcesSection,
  placement: placementSection,
  audit: auditSection,
  timing: timingSection,
}

type Shared = { readonly [Name in keyof typeof sections]: z.output<(typeof sections)[Name]> }

/** Which constants each optimizer has. */
const constantsOf = {
  adamw: ['beta1', 'beta2', 'weightDecay', 'clipNorm'],
  muon: ['momentum', 'beta1', 'beta2', 'weightDecay', 'clipNorm'],
  normuon: ['momentum', 'beta1', 'beta2', 'weightDecay', 'clipNorm'],
  sgd: ['momentum', 'weightDecay', 'clipNorm'],
  lion: ['beta1', 'beta2', 'weightDecay', 'clipNorm'],
} as const satisfies Record<Shared['train']['optimizer'], readonly (keyof Shared['train'])[]>

/** A constant that the optimizer has not would be without effect. */
function strayConstants(train: Shared['train']): string[] {
  const { optimizer, nesterov, momentum } = train
  const own: readonly string[] = constantsOf[optimizer]
  const all = ['momentum', 'beta1', 'beta2'] as const
  const problems = all
    .filter((name) => train[name] !== null && !own.includes(name))
    .map((name) => `train.${name}: ${optimizer} has none`)
  if (nesterov && optimizer !== 'sgd') problems.push(`train.nesterov: ${optimizer} does not look ahead`)
  if (nesterov && optimizer === 'sgd' && momentum === 0)
    problems.push('train.nesterov: without momentum there is nothing to look ahead along')
  return problems
}

/** What no single key can tell: keys that are fine alone and impossible together. */
export function contradictions({
  model,
  train,
  averaging,
  workers,
  audit,
  reward,
}: Pick<Shared, 'train' | 'averaging' | 'workers' | 'audit'> & {
  readonly model: ModelSection | FileModelSection
  /** Null trains unpaid. */
  readonly reward: object | null
}): string[] {
  const problems = modelContradictions(model)
  if (audit.segments > train.innerSteps) {
    problems.push(`audit.segments: more than train.innerSteps (${train.innerSteps})`)
  }
  if (train.batch % train.accumulate !== 0) {
    problems.push(`train.accumulate: ${train.accumulate} does not divide train.batch (${train.batch})`)
  }
  problems.push(...strayConstants(train))
  if (train.lora !== null && train.freeze.length > 0)
    problems.push('train.freeze: train.lora freezes all of the model’s own parameters')
  if (train.compute === 'f16' && reward !== null)
    problems.push(
      'train.compute: audits of float16 between unlike engines are too coarse to pay by; set f32, or leave reward out',
    )
  if (averaging.schedule === 'eager' && averaging.fragments > 1) {
    problems.push('averaging.fragments: 1 is all that averaging.schedule eager can do')
  }
  if (averaging.averageTopK !== null && averaging.rule === 'centered-clipping') {
    problems.push(
      'averaging.averageTopK: centered-clipping carries a vector from round to round, which workers without the contributions cannot know',
    )
  }
  if (averaging.coefficients > averaging.transformSize) {
    problems.push(`averaging.coefficients: more than averaging.transformSize (${averaging.transformSize})`)
  }
  const { rule, compressor, topK } = averaging
  const byCoordinate = rule === 'median' || rule === 'trimmed-mean'
  if (byCoordinate && (compressor === 'demo' || (compressor === 'sparse-loco' && topK < 2048))) {
    problems.push(`averaging.rule: ${rule} finds nothing in the few values that ${compressor} keeps`)
  }
  if ((rule === 'krum' || rule === 'multi-krum') && workers.max > 256) {
    problems.push(`averaging.rule: ${rule} compares every pair; workers.max is 256 with it`)
  }
  if (averaging.outer === 'nesterov' && Math.fround(averaging.outerMomentum) === 0) {
    problems.push('averaging.outerMomentum: 0 is averaging.outer sgd')
  }
  const { min, target, max } = workers
  if (min > max) problems.push(`workers.min: more than workers.max (${max})`)
  if (target !== null && target < min) problems.push(`workers.target: less than workers.min (${min})`)
  if (target !== null && target > max) problems.push(`workers.target: more than workers.max (${max})`)
  return problems
}
