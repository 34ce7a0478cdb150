import { z } from 'zod'
import { contentLink } from '../../protocol/content-link.ts'

/* What the items of a shard are, in the bytes of a block. Numbers are little-endian. */

/** Values of one row: what a model of an image of 2,048 × 2,048 in four channels takes. */
const maxRowValues = 2 ** 24
/** Names of columns and of classes are told in the manifest, which is one block. */
const maxNames = 20_000

/** Of a column or a class. */
export const maxNameChars = 256

const name = z.string().max(maxNameChars)
const names = z.array(name).min(1).max(maxNames)
const finite = z.number().refine(Number.isFinite)
const scale = z.strictObject({ means: z.array(finite).min(1), deviations: z.array(finite.positive()).min(1) })

/** A token is a byte. */
const bytesFormat = z.strictObject({ kind: z.literal('bytes') })

/** Token ids of so many bytes each. */
const tokensFormat = z.strictObject({
  kind: z.literal('tokens'),
  width: z.union([z.literal(2), z.literal(4)]),
  vocabulary: z
    .int()
    .min(1)
    .max(2 ** 24),
  /** Block with the `tokenizer.json` that made them. */
  tokenizer: contentLink(),
})

/** Records of one size: a row's inputs, then its target. */
const rowsFormat = z.strictObject({
  kind: z.literal('rows'),
  inputs: z.strictObject({
    /** A u8 stands for v · factor + shift, in f32 arithmetic; an f32 for itself. */
    type: z.enum(['u8', 'f32']),
    factor: finite,
    shift: finite,
    /** Of one row; an image’s is channels, height, width. */
    shape: z.array(z.int().min(1).max(maxRowValues)).min(1).max(8),
  }),
  targets: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.enum(['u8', 'u16', 'i32']),
      classes: z
        .int()
        .min(1)
        .max(2 ** 24),
    }),
    z.strictObject({ type: z.literal('f32'), values: z.int().min(1).max(maxRowValues) }),
  ]),
  /** The columns that a row is made of, where it comes from a table. */
  columns: z.strictObject({ features: names, targets: names }).nullable(),
  /** What each class is called, where it is not its number. */
  labels: names.nullable(),
  /** Of what was standardized: the stored values are (value − mean) / deviation. */
  features: scale.nullable(),
  values: scale.nullable(),
})

export const formatSchema = z.discriminatedUnion('kind', [bytesFormat, tokensFormat, rowsFormat])

export type DataFormat = z.output<typeof formatSchema>
export type RowsFormat = z.output<typeof rowsFormat>
export type Scale = z.output<typeof scale>

/** Values of one row’s inputs. */
export const rowValues = ({ inputs }: RowsFormat): number =>
  inputs.shape.reduce((product, size) => product * size, 1)

export const inputBytes = (format: RowsFormat): number =>
  rowValues(format) * (format.inputs.type === 'u8' ? 1 : 4)

const classBytes = { u8: 1, u16: 2, i32: 4 } as const

const targetBytes = ({ targets }: RowsFormat): number =>
  targets.type === 'f32' ? 4 * targets.values : classBytes[targets.type]

/** Bytes of one item of a shard: of a token, or of a row. */
export function itemBytes(format: DataFormat): number {
  switch (format.kind) {
    case 'bytes':
      return 1
    case 'tokens':
      return format.width
    case 'rows':
      return inputBytes(format) + targetBytes(format)
    default:
      return format satisfies never
  }
}
