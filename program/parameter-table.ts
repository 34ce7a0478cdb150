import { z } from 'zod'
import { elements } from './operators/operator.ts'

export type Initializer =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }

/** One tensor of the model and where it lies in the flat vector. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  /** First element in the flat vector. */
  readonly offset: number
  readonly init: Initializer
  /** Whether weight decay applies. Decayed parameters come first, so that they are one slice. */
  readonly decay: boolean
  /**
   * A statistic is part of the state, but no optimizer's: the program itself computes its next value (running means and
   * variances), or it stays as it is. What is frozen stays as it is. Without a role, a parameter is trained.
   */
  readonly role?: 'statistic' | 'frozen'
  /** Columns of each of the matrices that lie side by side in it, where it is not one. */
  readonly joined?: readonly number[]
}

export interface ParameterTable {
  readonly parameters: readonly Parameter[]
  /** N: elements of the flat vector. */
  readonly count: number
  /** Elements of the leading, decayed part. */
  readonly decayedCount: number
  /** Elements that the optimizer trains; statistics and frozen parameters are behind them. */
  readonly trainedCount: number
  /** Elements that steps and rounds may change: what is trained, then statistics. Frozen parameters are behind them. */
  readonly movingCount: number
}

/** Lays parameters out without gaps: decayed ones first, then other trained ones, statistics, frozen ones; otherwise in the order given. */
export function layOut(parameters: readonly Omit<Parameter, 'offset'>[]): ParameterTable {
  const ordered = [
    ...parameters.filter(({ decay, role }) => decay && role === undefined),
    ...parameters.filter(({ decay, role }) => !decay && role === undefined),
    ...parameters.filter(({ role }) => role === 'statistic'),
    ...parameters.filter(({ role }) => role === 'frozen'),
  ]
  let count = 0
  let decayedCount = 0
  let trainedCount = 0
  let movingCount = 0
  const placed = ordered.map((parameter) => {
    const offset = count
    count += elements(parameter.shape)
    if (parameter.decay) decayedCount = count
    if (parameter.role === undefined) trainedCount = count
    if (parameter.role !== 'frozen') movingCount = count
    return { ...parameter, offset }
  })
  return { parameters: placed, count, decayedCount, trainedCount, movingCount }
}

const entry = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9_.]{1,200}$/),
    shape: z
      .array(
        z
          .int()
          .min(1)
          .max(2 ** 31),
      )
      .max(8),
    offset: z.int().min(0),
    init: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('normal'), std: z.number().positive().max(1e3) }),
      z.strictObject({ kind: z.literal('zeros') }),
      z.strictObject({ kind: z.literal('ones') }),
    ]),
    decay: z.boolean(),
    role: z.enum(['statistic', 'frozen']).optional(),
    joined: z.array(z.int().min(1)).min(2).max(64).optional(),
  })
  .refine(({ decay, role }) => !(decay && role !== undefined), 'what is not trained does not decay')
  .refine(
    ({ shape, joined }) =>
      joined === undefined ||
      (shape.length === 2 && joined.reduce((sum, columns) => sum + columns, 0) === shape[1]),
    'matrices that are joined have all of the columns',
  )
const entries = z.array(entry).min(1).max(100_000)

/** The leading part that is not frozen, as a table of its own: what an optimizer sees. */
export function movingPart(table: ParameterTable): ParameterTable {
  const { parameters, movingCount } = table
  if (movingCount === table.count) return table
  return { ...table, count: movingCount, parameters: parameters.filter(({ role }) => role !== 'frozen') }
}

/** The table as it rides in a program's metadata: JSON with keys in a fixed order and no spaces. */
export function encodeTable({ parameters }: ParameterTable): string {
  return JSON.stringify(
    parameters.map(({ name, shape, offset, init, decay, role, joined }) => ({
      name,
      shape,
      offset,
      init: init.kind === 'normal' ? { kind: init.kind, std: init.std } : { kind: init.kind },
      decay,
      ...(role === undefined ? {} : { role }),
      ...(joined === undefined ? {} : { joined }),
    })),
  )
}

/** Parses and checks a table: unique names, no gaps, decayed first and untrained last, canonical text. Throws an Error that says what is wrong. */
export function parseTable(text: string): ParameterTable {
  const parsed = entries.safeParse(JSON.parse(text))
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    throw new Error(`parameter table: ${path.join('.')}: ${message}`)
  }
  const table = layOut(parsed.data)
  if (!Number.isSafeInteger(table.count))
    throw new Error('parameter table: more parameters than can be counted')
  if (new Set(parsed.data.map(({ name }) => name)).size !== parsed.data.length) {
    throw new Error('parameter table: two parameters share a name')
  }
  if (encodeTable(table) !== text)
    throw new Error('parameter table: offsets, order or spelling are not canonical')
  return table
}
