import * as dagCbor from '@ipld/dag-cbor'
import { z } from 'zod'
import { contentLink } from './content-link.ts'
import { dataContradictions, dataSection } from './data-section.ts'
import { MurmurError } from './errors.ts'
import { maxMetadataBlockBytes } from './limits.ts'
import { fileModelSection, keysOfModel, withOnnxPreset } from './model-section.ts'
import { nearest } from './nearest.ts'
import { withDefaults } from './run-defaults.ts'
import { contradictions, loraSection, sections } from './run-sections.ts'

/*
 * A run is data, never code. Two forms share their sections: the *run file* is what a researcher writes
 * (`run.yaml`: every key optional, data by path); the *run spec* is what a cluster runs: complete, with the
 * programs and the data as CIDs. The CID of the canonical bytes of the spec is the run's id.
 */

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

const initSection = z.strictObject({
  from: z
    .string()
    .min(1)
    .max(4096)
    .describe(
      'a safetensors file with the run’s own parameters, or the CID of one (docs/bring-your-own-model.md)',
    ),
})

const runFileSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens')
    .default('run'),
  data: dataSection.default({ builtin: 'moby-dick' }),
  model: fileModelSection.prefault({}),
  init: initSection
    .nullable()
    .default(null)
    .describe('null starts from the seed, or from the weights of an ONNX file'),
  train: sections.train.prefault({}),
  averaging: sections.averaging.prefault({}),
  workers: sections.workers.prefault({}),
  resources: sections.resources.prefault({}),
  placement: sections.placement.prefault({}),
  audit: sections.audit.prefault({}),
  timing: sections.timing.prefault({}),
  reward: rewardSection.nullable().default(null).describe('null trains unpaid'),
})

export type RunFile = z.output<typeof runFileSchema>
export type TrainSection = RunFile['train']
export type AveragingSection = RunFile['averaging']

const runSpecSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1).max(63),
  nonce: z.string().max(64),
  programs: z.strictObject({ training: contentLink(), evaluation: contentLink(), sampling: contentLink() }),
  data: contentLink(),
  /** The parameter file that the run starts from; null starts from the seed. */
  init: z.strictObject({ weights: contentLink() }).nullable(),
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
  const result = runFileSchema.safeParse(withDefaults(withPreset(value ?? {})))
  const problems = result.success
    ? [...contradictions(result.data), ...dataContradictions(result.data.data)]
    : result.error.issues.flatMap((issue) => describeIssue(issue, value))
  if (!result.success || problems.length > 0) throw invalidRunFile(source, problems)
  return result.data
}

function withPreset(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'model')) return value
  return { ...value, model: withOnnxPreset(Reflect.get(value, 'model')) }
}

function invalidRunFile(source: string, problems: readonly string[]): MurmurError {
  return new MurmurError('RUN_FILE_INVALID', {
    message: `${source}: ${problems.slice(0, 8).join('; ')}`,
    next: 'mend the file; `murmur run --help` shows an example, docs/run-file.md lists every key',
    exit: 'usage',
  })
}

function describeIssue(issue: z.core.$ZodIssue, value: unknown): string[] {
  const place = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path.map(String), value)
    return issue.keys.map((key) => {
      const near = nearest(key, known)
      return `unknown key ${place ? `${place}.` : ''}${key.slice(0, 60)}${near ? `, did you mean ${near}?` : ''}`
    })
  }
  return [`${place || 'the file'}: ${issue.message}`]
}

function knownKeys([section, key]: readonly string[], value: unknown): string[] {
  if (section === 'train' && key === 'lora') return Object.keys(loraSection.shape)
  if (section === undefined) return Object.keys(runFileSchema.shape)
  if (section === 'reward') return Object.keys(rewardSection.shape)
  if (section === 'data') return Object.keys(dataSection.shape)
  if (section === 'model') return keysOfModel(Reflect.get(value as object, 'model'))
  if (!Object.hasOwn(sections, section)) return []
  return Object.keys(sections[section as Exclude<keyof typeof sections, 'model'>].shape)
}

/**
 * The canonical bytes of a run spec: dag-cbor, so that its programs and data are links. `train.compute` is left out while
 * it is `f32`, and `averaging.averageTopK` while it is null: a spec from before there were these keys has the same bytes, and
 * so the same id.
 */
export function encodeRunSpec(spec: RunSpec): Uint8Array {
  const { train, averaging, ...others } = z.encode(runSpecSchema, spec)
  const { compute, ...withoutCompute } = train
  const { averageTopK, ...withoutAverage } = averaging
  return dagCbor.encode({
    ...others,
    train: compute === 'f32' ? withoutCompute : train,
    averaging: averageTopK === null ? withoutAverage : averaging,
  })
}

/** @throws MurmurError RUN_SPEC_INVALID: bytes that are not a run spec, or not in canonical form. */
export function decodeRunSpec(bytes: Uint8Array): RunSpec {
  let value: unknown
  try {
    if (bytes.length > maxMetadataBlockBytes) throw new Error(`${bytes.length} bytes are too many`)
    value = dagCbor.decode(bytes)
    const spec = z.decode(runSpecSchema, value as z.input<typeof runSpecSchema>)
    const problems = contradictions(spec)
    if (problems.length > 0) throw new Error(problems.join('; '))
    if (Buffer.compare(encodeRunSpec(spec), bytes) !== 0) throw new Error('it is not in canonical form')
    return spec
  } catch (cause) {
    throw new MurmurError('RUN_SPEC_INVALID', {
      message: `not a run spec: ${
        cause instanceof z.ZodError
          ? cause.issues
              .flatMap((issue) => describeIssue(issue, value))
              .slice(0, 8)
              .join('; ')
          : String(cause).slice(0, 200)
      }`,
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
