import { z } from 'zod'
import type { Cell, CodecSpec, Course, Sync } from './cell.ts'
import type { Outcome } from './train-cell.ts'

/** What is known of a cell: its outcome once it is through. */
export interface Finished {
  readonly cell: Cell
  readonly outcome: Outcome
}

const positive = z.number().positive()
const count = z.int().min(1).max(1e9)
const share = z.number().min(0).max(1)
/** JSON has null for what is no finite number; as infinity it sorts last. */
const loss = z
  .number()
  .min(0)
  .nullable()
  .transform((value) => value ?? Number.POSITIVE_INFINITY)

const course: z.ZodType<Course> = z.union([positive, z.strictObject({ from: positive, to: positive })])

const codec: z.ZodType<CodecSpec> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('f32') }),
  z.strictObject({ kind: z.enum(['int8', 'int4']), beta: share }),
  z.strictObject({ kind: z.literal('sign'), beta: share, blockSize: count.optional() }),
  z.strictObject({ kind: z.literal('sparse'), k: course, beta: share }),
])

const sync: z.ZodType<Sync> = z.strictObject({
  when: z.enum(['blocking', 'eager', 'streaming']),
  innerSteps: course,
  codec,
  averageTopK: count.optional(),
  outer: z.strictObject({ learningRate: positive, momentum: share }),
  last: z.strictObject({ codec, learningRate: positive }).optional(),
  residual: z.enum(['held', 'trained']),
  firstMoment: z.enum(['kept', 'zeroed']),
})

const cell: z.ZodType<Cell> = z.strictObject({
  task: z.enum(['test', 'micro', 'mini', 'gpt', 'mnist', 'mnist-by-label']),
  seed: z.int().min(0),
  steps: count,
  workers: count,
  inner: z.strictObject({
    optimizer: z.enum(['adamw', 'muon', 'normuon']),
    learningRate: positive,
    finalLearningRate: share.optional(),
    warmupSteps: z.int().min(0),
    momentum: share.optional(),
  }),
  sync: z.union([z.literal('every-step'), sync]),
})

const outcome: z.ZodType<Outcome> = z.strictObject({
  parameterCount: count,
  curve: z.array(z.strictObject({ step: count, lossNats: loss })).max(1_000),
  lossNats: loss,
  accuracy: share.optional(),
  ofLastThree: loss.optional(),
  bytes: z.number().min(0),
  upBytes: z.number().min(0).optional(),
  rounds: z.int().min(0),
})

const finished = z.strictObject({ cell, outcome })

/** @throws Error that names `source`, where the JSON was read, and what is wrong with it. */
export function decodeFinished(json: string, source: string): Finished {
  try {
    return finished.parse(JSON.parse(json))
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined
    const reason = issue === undefined ? 'it is not JSON' : `${issue.path.join('.')}: ${issue.message}`
    throw new Error(`${source} is not the outcome of a cell: ${reason}`, { cause })
  }
}
