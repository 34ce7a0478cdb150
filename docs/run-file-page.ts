import { stringify } from 'yaml'
import { z } from 'zod'
import { parseRunFile, runFileJsonSchema } from '../protocol/run-spec.ts'

const keyType = z.enum(['string', 'integer', 'number', 'boolean', 'null', 'array', 'object'])

/** The part of JSON Schema (draft 2020-12) that the run file's schema uses; more than that is refused. */
const keySchema = z.strictObject({
  type: z.union([keyType, z.array(keyType)]).optional(),
  default: z.unknown().optional(),
  description: z.string().optional(),
  const: z.unknown().optional(),
  pattern: z.string().optional(),
  minLength: z.int().optional(),
  maxLength: z.int().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  enum: z.array(z.string()).optional(),
  minItems: z.int().optional(),
  maxItems: z.int().optional(),
  propertyNames: z.unknown().optional(),
  get additionalProperties() {
    return z.union([keySchema, z.literal(false)]).optional()
  },
  get properties() {
    return z.record(z.string(), keySchema).optional()
  },
  required: z.array(z.string()).optional(),
  get items() {
    return keySchema.optional()
  },
  get anyOf() {
    return z.array(keySchema).optional()
  },
})
const sectionSchema = z.object({
  type: z.literal('object'),
  description: z.string().optional(),
  properties: z.record(z.string(), keySchema),
})
const choiceSchema = z.object({
  description: z.string().optional(),
  anyOf: z.array(z.union([sectionSchema, z.object({ type: z.literal('null') })])),
})
/** A section whose keys depend on one of them, as `model` on its preset. */
const formsSchema = z.object({
  description: z.string().optional(),
  oneOf: z.array(sectionSchema).min(1),
})
const fileSchema = z.object({
  properties: z.record(z.string(), z.union([formsSchema, sectionSchema, choiceSchema, keySchema])),
})

type Key = z.output<typeof keySchema>
type Section = z.output<typeof sectionSchema>

const isSection = (value: Key | Section | z.output<typeof choiceSchema>): value is Section =>
  'properties' in value && value.properties !== undefined

/** A section that takes several forms; a key that does has no forms with keys of their own. */
const isChoice = (value: Key | z.output<typeof choiceSchema>): value is z.output<typeof choiceSchema> =>
  value.anyOf?.some((form) => 'properties' in form) === true

/** The whole text of docs/run-file.md. Throws a ZodError when the schema holds what this page cannot say. */
export function renderRunFilePage(): string {
  const { properties } = fileSchema.parse(runFileJsonSchema())
  const lines = [
    '# The run file',
    '',
    '<!-- Written by `node docs/generate-run-file.ts` from protocol/run-spec.ts. Edit that, then run it again. -->',
    '',
    'A run file (`run.yaml`) says what to train. Every key is optional; an empty file is a run. Unknown keys are errors.',
    '`murmur run run.yaml --set train.seed=7` changes one key for one submission. Further rules that no single key can',
    'say: `model.width` is a multiple of `model.heads`; `train.accumulate` divides `train.batch`; `train.freeze` is empty beside `train.lora`; `audit.segments` is at most `train.innerSteps`; `workers.min` is',
    'at most `workers.target`, and that at most `workers.max`. A path in `data` that is relative starts at the folder of',
    'the run file (docs/data.md). `murmur plan run.yaml` says what a run takes, and which nodes fit it, before anything starts.',
    '',
    'The submitted form (the run spec, docs/protocol.md) has the same sections with every default filled in.',
    '',
  ]
  const keys: [string, Key][] = []
  const sections: string[] = []
  for (const [name, value] of Object.entries(properties)) {
    if ('oneOf' in value) sections.push(...forms(name, value))
    else if (isSection(value)) sections.push(...section(name, value))
    else if (isChoice(value)) sections.push(...choice(name, value))
    else keys.push([name, value])
  }
  lines.push('## Top level', '', ...table(keys), ...sections, '## Every default', '', '```yaml')
  lines.push(stringify(parseRunFile({}, 'defaults')).trimEnd(), '```', '')
  return lines.join('\n')
}

function section(name: string, { description, properties }: Section): string[] {
  const head = [`## \`${name}\``, '']
  if (description !== undefined) head.push(`${description}.`, '')
  return [...head, ...keyTable(name, properties)]
}

/** A table for each form, called by the value of the key that tells them apart. */
function forms(name: string, { description, oneOf }: z.output<typeof formsSchema>): string[] {
  const head = [`## \`${name}\``, '']
  if (description !== undefined) head.push(`${description}.`, '')
  return [
    ...head,
    ...oneOf.flatMap(({ properties }) => {
      const [key, value] = Object.entries(properties).find(([, { const: only }]) => only !== undefined)!
      return [`### \`${name}.${key}: ${value.const}\``, '', ...keyTable(name, properties)]
    }),
  ]
}

const keyTable = (name: string, properties: Section['properties']): string[] =>
  table(Object.entries(properties).flatMap(([key, value]) => withParts(`${name}.${key}`, value)))

/** A key, and those of the object that it may be. */
const withParts = (name: string, key: Key): (readonly [string, Key])[] => [
  [name, key],
  ...(key.anyOf ?? []).flatMap(({ properties = {} }) =>
    Object.entries(properties).flatMap(([part, value]) => withParts(`${name}.${part}`, value)),
  ),
]

/** One of several forms, for example `reward: null` or an object. */
function choice(name: string, { description, anyOf }: z.output<typeof choiceSchema>): string[] {
  const forms = anyOf.map((form) =>
    'properties' in form ? `an object with ${listed(Object.keys(form.properties))}` : '`null`',
  )
  const said = description === undefined ? '' : ` (${description})`
  const keys = anyOf.flatMap((form) => ('properties' in form ? Object.entries(form.properties) : []))
  return [
    `## \`${name}\``,
    '',
    `Either ${forms.join(', or ')}${said}.`,
    '',
    ...table(keys.map(([key, value]) => [`${name}.${key}`, value])),
  ]
}

const listed = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(' and ')

/** Columns are padded to equal width, as the formatter of this repository writes tables. */
function table(keys: readonly (readonly [string, Key])[]): string[] {
  const rows = [
    ['key', 'default', 'takes', 'meaning'],
    ...keys.map(([name, key]) => [`\`${name}\``, initial(key), bounds(key), key.description ?? '']),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => [...row[column]!].length)))
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell + fill.repeat(widths[column]! - [...cell].length)).join(' | ')} |`
  const [head, ...body] = rows.map((cells) => line(cells, ' '))
  return [
    head!,
    line(
      widths.map(() => ''),
      '-',
    ),
    ...body,
    '',
  ]
}

const initial = (key: Key): string => (key.default === undefined ? '' : `\`${JSON.stringify(key.default)}\``)

/** What a key takes, in words: its type, its bounds, its pattern. */
function bounds(key: Key): string {
  if (key.anyOf !== undefined) return key.anyOf.map((form) => form.description ?? bounds(form)).join(', or ')
  if (Array.isArray(key.type)) return key.type.map((type) => bounds({ ...key, type })).join(', or ')
  if (key.enum !== undefined) return key.enum.map((value) => `\`${value}\``).join(', ')
  if (key.type === 'null') return '`null`'
  if (key.type === 'boolean') return '`true`, `false`'
  if (key.properties !== undefined) return `an object with ${listed(Object.keys(key.properties))}`
  if (key.type === 'object') return `an object, each key ${bounds(key.additionalProperties || {})}`
  if (key.type === 'array')
    return `a list of ${key.minItems ?? 0} to ${key.maxItems ?? '∞'}: ${bounds(key.items ?? {})}`
  if (key.const !== undefined) return `\`${JSON.stringify(key.const)}\``
  if (key.type === 'string') {
    if (key.pattern !== undefined) return `text like \`${key.pattern}\``
    return `text of ${key.minLength ?? 0} to ${key.maxLength ?? '∞'} characters`
  }
  const type = key.type === 'integer' ? 'whole number' : 'number'
  const from =
    key.exclusiveMinimum === undefined ? `${key.minimum ?? '−∞'} to` : `above ${key.exclusiveMinimum}, to`
  return `${type}, ${from} ${key.maximum ?? '∞'}`
}
