import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentLink } from './content-link.ts'
import { MurmurError } from './errors.ts'
import { manifestBytes, maxManifestBytes, maxMembers, maxMetadataBlockBytes } from './limits.ts'
import { nearest } from './nearest.ts'

/*
 * A run is data, never code. Two forms share their sections: the *run file* is what a researcher writes
 * (`run.yaml`: every key optional, data by path); the *run spec* is what a cluster runs: complete, with the
 * programs and the data as CIDs. The CID of the canonical bytes of the spec is the run's id.
 */

const count = (max: number) => z.int().min(1).max(max)
const fraction = z.number().min(0).max(1)

const modelSection = z.strictObject({
  preset: z.literal('gpt').default('gpt').describe('model family'),
  layers: count(1_000_000).default(4).describe('transformer blocks'),
  width: count(1_000_000).default(128).describe('embedding width; a multiple of heads'),
  heads: count(4096).default(4).describe('attention heads'),
  context: count(1_000_000).default(64).describe('tokens a window'),
})

const trainSection = z.strictObject({
  batch: count(1_000_000).default(16).describe('windows a step and worker'),
  innerSteps: count(65_535).default(60).describe('H: optimizer steps between two averagings'),
  roundsPerEpoch: count(10_000).default(2).describe('E: rounds between two audits and payments'),
  epochs: count(10_000).default(3),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  learningRate: z.number().positive().max(1).default(3e-3).describe('peak inner learning rate (AdamW)'),
  warmupSteps: z.int().min(0).max(1_000_000).default(20).describe('linear warm-up, in inner steps'),
  finalLearningRate: fraction.default(0.1).describe('end of the cosine, as a fraction of the peak'),
})

const averagingSection = z.strictObject({
  compressor: z.literal('sparse-loco').default('sparse-loco'),
  topK: count(4096).default(128).describe('values kept of each chunk of 4,096'),
  errorFeedback: fraction.default(0.95).describe('β: how much of the unsent update is carried over'),
  outerLearningRate: z.number().positive().max(10).default(1),
})

const workersSection = z.strictObject({
  min: count(maxMembers).default(1).describe('the run starts when this many are ready'),
  max: count(maxMembers).default(maxMembers),
  quorum: fraction.default(0.5).describe('share of a round’s members that must contribute'),
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
})

const ether = z
  .string()
  .regex(/^\d{1,18}(\.\d{1,18})?$/, 'a decimal number of tokens in quotes, e.g. "30"')
  .describe('decimal string of whole tokens')

const rewardSection = z.strictObject({
  perEpoch: ether.default('100').describe('tokens an epoch pays when all of its work is verified'),
  disputeWindowSeconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(2),
})

const dataSection = z.union(
  [
    z.strictObject({ builtin: z.literal('moby-dick') }),
    z.strictObject({ file: z.string().min(1).max(4096) }),
  ],
  { error: 'give one of `builtin: moby-dick` and `file: <path>`' },
)

const sections = {
  model: modelSection,
  train: trainSection,
  averaging: averagingSection,
  workers: workersSection,
  audit: auditSection,
  timing: timingSection,
}

const runFileSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens')
    .default('run'),
  data: dataSection.default({ builtin: 'moby-dick' }),
  model: modelSection.prefault({}),
  train: trainSection.prefault({}),
  averaging: averagingSection.prefault({}),
  workers: workersSection.prefault({}),
  audit: auditSection.prefault({}),
  timing: timingSection.prefault({}),
  reward: rewardSection.nullable().default(null).describe('null trains unpaid'),
})

export type RunFile = z.output<typeof runFileSchema>
export type TrainSection = z.output<typeof trainSection>
export type AveragingSection = z.output<typeof averagingSection>

const runSpecSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1).max(63),
  nonce: z.string().max(64),
  programs: z.strictObject({ training: contentLink(), evaluation: contentLink(), sampling: contentLink() }),
  data: contentLink(),
  ...sections,
  reward: z
    .strictObject({
      perEpochWei: z.string().regex(/^\d{1,38}$/),
      disputeWindowSeconds: z.int().min(0),
    })
    .nullable(),
})

export type RunSpec = z.output<typeof runSpecSchema>

/**
 * Validates a parsed `run.yaml`.
 * @throws MurmurError RUN_FILE_INVALID (exit `usage`): every problem with its place, unknown keys with a suggestion.
 */
export function parseRunFile(value: unknown, source: string): RunFile {
  const result = runFileSchema.safeParse(value ?? {})
  const problems = result.success ? contradictions(result.data) : result.error.issues.flatMap(describeIssue)
  if (!result.success || problems.length > 0) throw invalidRunFile(source, problems)
  return result.data
}

/** What no single key can tell: keys that are fine alone and impossible together. */
function contradictions({
  model,
  train,
  workers,
  audit,
}: Pick<RunFile, 'model' | 'train' | 'workers' | 'audit'>): string[] {
  const problems: string[] = []
  if (model.width % model.heads !== 0) {
    problems.push(`model.width: ${model.width} is not a multiple of model.heads (${model.heads})`)
  }
  if (audit.segments > train.innerSteps) {
    problems.push(`audit.segments: more than train.innerSteps (${train.innerSteps})`)
  }
  if (workers.min > workers.max) problems.push(`workers.min: more than workers.max (${workers.max})`)
  const bytes = manifestBytes(workers.max, audit.segments)
  if (bytes > maxManifestBytes) {
    problems.push(
      `audit.segments: the manifest of ${workers.max} workers with ${audit.segments} segments each takes ${bytes} bytes of the ${maxManifestBytes} that gossip carries; lower it or workers.max`,
    )
  }
  return problems
}

function invalidRunFile(source: string, problems: readonly string[]): MurmurError {
  return new MurmurError('RUN_FILE_INVALID', {
    message: `${source}: ${problems.slice(0, 8).join('; ')}`,
    next: 'mend the file; `murmur run --help` shows an example, docs/run-file.md lists every key',
    exit: 'usage',
  })
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const place = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path.map(String))
    return issue.keys.map((key) => {
      const near = nearest(key, known)
      return `unknown key ${place ? `${place}.` : ''}${key.slice(0, 60)}${near ? `, did you mean ${near}?` : ''}`
    })
  }
  return [`${place || 'the file'}: ${issue.message}`]
}

function knownKeys(path: readonly string[]): string[] {
  const section = path.length === 0 ? undefined : path[0]!
  if (section === undefined) return Object.keys(runFileSchema.shape)
  if (section === 'reward') return Object.keys(rewardSection.shape)
  return Object.hasOwn(sections, section) ? Object.keys(sections[section as keyof typeof sections].shape) : []
}

/** The canonical bytes of a run spec: dag-cbor, so that its programs and data are links. */
export function encodeRunSpec(spec: RunSpec): Uint8Array {
  return dagCbor.encode(z.encode(runSpecSchema, spec))
}

/** @throws MurmurError RUN_SPEC_INVALID: bytes that are not a run spec, or not in canonical form. */
export function decodeRunSpec(bytes: Uint8Array): RunSpec {
  try {
    if (bytes.length > maxMetadataBlockBytes) throw new Error(`${bytes.length} bytes are too many`)
    const spec = z.decode(runSpecSchema, dagCbor.decode(bytes))
    const problems = contradictions(spec)
    if (problems.length > 0) throw new Error(problems.join('; '))
    if (Buffer.compare(encodeRunSpec(spec), bytes) !== 0) throw new Error('it is not in canonical form')
    return spec
  } catch (cause) {
    throw new MurmurError('RUN_SPEC_INVALID', {
      message: `not a run spec: ${cause instanceof z.ZodError ? cause.issues.flatMap(describeIssue).slice(0, 8).join('; ') : String(cause).slice(0, 200)}`,
      next: 'submit with a murmur of the same version as the head',
      exit: 'usage',
      cause,
    })
  }
}

/** JSON Schema of the run file, for editors and docs/run-file.md. */
export function runFileJsonSchema(): unknown {
  return z.toJSONSchema(runFileSchema, { io: 'input' })
}

/** Total inner steps of a run: what the learning-rate schedule spans. */
export function totalSteps(spec: Pick<RunSpec, 'train'>): number {
  return spec.train.innerSteps * spec.train.roundsPerEpoch * spec.train.epochs
}
