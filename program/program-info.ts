import { z } from 'zod'
import { type TaskKind, taskKinds } from '../protocol/tasks.ts'
import { encodeTable, type ParameterTable, parseTable } from './parameter-table.ts'

export const programKinds = ['training', 'evaluation', 'sampling', 'prefill', 'decoding'] as const
export type ProgramKind = (typeof programKinds)[number]

export type { TaskKind }

/** A tensor of a batch: rows first. */
export interface TensorSignature {
  readonly type: 'float32' | 'int64'
  readonly shape: readonly number[]
}

export type CacheShape = readonly [layers: number, heads: number, tokens: number, width: number]

/** What a program says of itself, in its metadata. */
export interface ProgramInfo {
  readonly kind: ProgramKind
  readonly task: TaskKind
  readonly inputs: TensorSignature
  /** Of training and evaluation; a sampling program has none, and says what they would be. */
  readonly targets: TensorSignature
  /** Shape of what it says of its inputs: logits, or values. */
  readonly logits: readonly number[]
  /** Tokens of text in a batch, or its rows. */
  readonly tokensPerStep: number
  readonly table: ParameterTable
  readonly parameterCount: number
  /** Names of the optimizer's flat vectors, in order; empty unless the program trains. */
  readonly optimizerSlots: readonly string[]
  /** Decay rates whose corrections 1 − βᵗ the engine feeds to the program as `bias1`, `bias2`. */
  readonly betas: readonly number[]
  /** Of prefill and decoding alone: what is kept of a text, heads of keys and values and values of a head among it. */
  readonly cache?: CacheShape
}

const size = z
  .int()
  .min(1)
  .max(2 ** 24)
const shape = z.array(size).min(1).max(8)
const signature = z.strictObject({ type: z.enum(['float32', 'int64']), shape })

const programSchema = z.strictObject({
  kind: z.enum(programKinds),
  task: z.enum(taskKinds),
  inputs: signature,
  targets: signature,
  logits: shape,
  tokensPerStep: size,
  optimizerSlots: z.array(z.string().regex(/^[a-z0-9_]{1,40}$/)).max(8),
  betas: z.array(z.number().min(0).lt(1)).max(8),
  cache: z.tuple([z.int().min(1).max(4096), size, size, size]).optional(),
})

const programKey = 'murmur.program'
const tableKey = 'murmur.parameters'

const encodeSignature = ({ type, shape }: TensorSignature) => ({ type, shape })

const encodeProgram = (info: ProgramInfo): string => {
  const { kind, task, inputs, targets, logits, tokensPerStep, optimizerSlots, betas, cache } = info
  const batch = { inputs: encodeSignature(inputs), targets: encodeSignature(targets) }
  return JSON.stringify({ kind, task, ...batch, logits, tokensPerStep, optimizerSlots, betas, cache })
}

/** The input by which prefill and decoding programs take a parameter. */
export const parameterInput = (name: string): string => `params.${name}`

export function encodeInfo(info: ProgramInfo): ReadonlyMap<string, string> {
  return new Map([
    [programKey, encodeProgram(info)],
    [tableKey, encodeTable(info.table)],
  ])
}

/** Throws an Error that says what is missing or wrong. */
export function parseInfo(metadata: ReadonlyMap<string, string>): ProgramInfo {
  const [program, parameters] = [metadata.get(programKey), metadata.get(tableKey)]
  if (metadata.size !== 2 || program === undefined || parameters === undefined) {
    throw new Error(`its metadata is not ${programKey} and ${tableKey}`)
  }
  const parsed = programSchema.safeParse(JSON.parse(program))
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    throw new Error(`${programKey}: ${path.join('.')}: ${message}`)
  }
  const table = parseTable(parameters)
  const info = { ...parsed.data, table, parameterCount: table.count }
  if (encodeProgram(info) !== program) throw new Error(`${programKey} is not canonical`)
  if (info.kind !== 'training' && info.optimizerSlots.length > 0)
    throw new Error('only training programs have optimizer slots')
  if ((info.kind === 'prefill' || info.kind === 'decoding') !== (info.cache !== undefined))
    throw new Error('prefill and decoding programs have a cache, and no others')
  return info
}
