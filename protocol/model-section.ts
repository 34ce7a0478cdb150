import { z } from 'zod'

/* What a run trains: one form a preset, told apart by `preset`. */

const count = (max: number) => z.int().min(1).max(max)

/** Values of a row: an image of 2,048 × 2,048 in four channels. */
const maxFeatures = 2 ** 24
/** Classes, or values of a regression. */
const maxOutputs = 1_000_000

/** Where a GPT departs from its style. */
const departure = <Schema extends z.ZodType>(schema: Schema, what: string) =>
  schema.nullable().default(null).describe(`${what}; null is the style’s`)

const gptForm = z.strictObject({
  preset: z.literal('gpt').default('gpt').describe('model family'),
  layers: count(1_000_000).default(4).describe('transformer blocks'),
  width: count(1_000_000).default(128).describe('embedding width; a multiple of heads'),
  heads: count(4096).default(4).describe('attention heads'),
  context: count(1_000_000).default(64).describe('tokens a window'),
  style: z
    .enum(['default', 'gpt2', 'modern'])
    .default('default')
    .describe('what the keys below are where they are null (docs/models.md)'),
  norm: departure(z.enum(['layer', 'rms']), 'normalization'),
  positions: departure(z.enum(['learned', 'rotary']), 'how places are told apart'),
  activation: departure(z.enum(['squared-relu', 'gelu', 'swiglu']), 'of the MLP'),
  keyValueHeads: departure(count(4096), 'heads of keys and values, a divisor of heads'),
  mlpWidth: departure(count(4_000_000), 'width of the MLP'),
  tied: departure(z.boolean(), 'the head is the token embedding'),
  qkNorm: departure(z.boolean(), 'queries and keys are normalized'),
  biases: departure(z.enum(['none', 'mlp', 'all']), 'which matrices have biases'),
})

const widths = z.array(count(65_536)).min(1).max(32)
const hidden = widths.default([64]).describe('widths of the hidden layers, first to last')
const filters = widths.default([16, 32]).describe('filters of each block of convolution, first to last')

const preset = <Name extends string>(name: Name) => z.literal(name).describe('model family')
const size = (max: number, what: string) => count(max).describe(what)
const taken = (max: number, what: string) =>
  count(max).nullable().default(null).describe(`${what}; null takes it from the data`)

const classes = 'classes of a classification'
const outputs = 'values that a regression gives for a row'
const either = {
  classes: taken(maxOutputs, classes),
  outputs: taken(maxOutputs, outputs),
}
const features = 'values of a row'

const presetMissing: z.core.$ZodErrorMap = ({ code }) =>
  code === 'invalid_union' ? 'one of gpt, linear, mlp, cnn and onnx' : undefined

const tensorName = z.string().regex(/^(?!__proto__$)[A-Za-z0-9_.]{1,200}$/, 'a name of a tensor')

/** A graph that was exported elsewhere. */
const onnxForm = z.strictObject({
  preset: z.literal('onnx').describe('model family; may be left out beside `onnx`'),
  loss: z
    .enum(['cross_entropy', 'mse'])
    .nullable()
    .default(null)
    .describe('of a file that computes none; null is mse for quantities, cross_entropy for all else'),
  tied: z
    .record(tensorName, tensorName)
    .default({})
    .describe('names under which the module has a parameter once more, each with that parameter’s own'),
})

/** As a run file has it: sizes that the data tells may be left out. */
export const fileModelSection = z.discriminatedUnion(
  'preset',
  [
    gptForm,
    z.strictObject({ preset: preset('linear'), features: taken(maxFeatures, features), ...either }),
    z.strictObject({ preset: preset('mlp'), hidden, features: taken(maxFeatures, features), ...either }),
    z.strictObject({
      preset: preset('cnn'),
      filters,
      channels: taken(4096, 'of an image'),
      height: taken(65_536, 'of an image'),
      width: taken(65_536, 'of an image'),
      ...either,
    }),
    onnxForm.extend({
      onnx: z
        .string()
        .min(1)
        .max(4096)
        .describe('path of the file, or the CID of one that the cluster has (docs/bring-your-own-model.md)'),
    }),
  ],
  { error: presetMissing },
)

/** As a run spec has it: every size is a number, and of classes and outputs one. */
export const modelSection = z.discriminatedUnion(
  'preset',
  [
    gptForm,
    z.strictObject({ preset: preset('linear'), features: size(maxFeatures, features), ...either }),
    z.strictObject({ preset: preset('mlp'), hidden, features: size(maxFeatures, features), ...either }),
    z.strictObject({
      preset: preset('cnn'),
      filters,
      channels: size(4096, 'of an image'),
      height: size(65_536, 'of an image'),
      width: size(65_536, 'of an image'),
      ...either,
    }),
    onnxForm,
  ],
  { error: presetMissing },
)

export type ModelSection = z.output<typeof modelSection>
export type FileModelSection = z.output<typeof fileModelSection>
export type OnnxModelSection = z.output<typeof onnxForm>
/** Models of which a few numbers are known. */
export type ShapedModelSection = Exclude<ModelSection, OnnxModelSection>

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A model section that names an ONNX file needs no preset. */
export function withOnnxPreset(value: unknown): unknown {
  if (!isPlain(value) || !Object.hasOwn(value, 'onnx') || Object.hasOwn(value, 'preset')) return value
  return { ...value, preset: 'onnx' }
}

/** The keys of the form that a value means to have. */
export function keysOfModel(section: unknown): string[] {
  const value = withOnnxPreset(section)
  const given = isPlain(value) && Object.hasOwn(value, 'preset') ? Reflect.get(value, 'preset') : 'gpt'
  const form = fileModelSection.options.find(({ shape }) => shape.preset.safeParse(given).success)
  return Object.keys(form?.shape ?? {})
}

/** What no single key of the section can tell. */
export function modelContradictions(model: ModelSection | FileModelSection): string[] {
  if (model.preset === 'gpt') {
    if (model.width % model.heads === 0) return []
    return [`model.width: ${model.width} is not a multiple of model.heads (${model.heads})`]
  }
  if (model.preset === 'onnx' || model.classes === null || model.outputs === null) return []
  return ['model.outputs: a model has either classes or outputs']
}
