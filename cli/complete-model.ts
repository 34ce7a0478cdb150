import { MurmurError } from '../protocol/errors.ts'
import type { FileModelSection, ShapedModelSection } from '../protocol/model-section.ts'
import type { RowsFormat } from '../worker/data/format.ts'

/**
 * The sizes that a run file leaves out of its model, taken from the data.
 * @throws MurmurError MODEL_DATA_MISFIT (exit `usage`), with both numbers, where it says another size.
 */
export function completeModel(
  model: Exclude<FileModelSection, { preset: 'gpt' | 'onnx' }>,
  format: RowsFormat,
): Exclude<ShapedModelSection, { preset: 'gpt' }> {
  const { shape } = format.inputs
  const answers = answersOf(model, format)
  if (model.preset !== 'cnn') {
    const features = shape.reduce((product, size) => product * size, 1)
    return { ...model, ...answers, features: agreed('features', model.features, features) }
  }
  if (shape.length !== 3)
    throw misfit(
      `a row of the data has the shape ${shape.join(' × ')}, a cnn takes images`,
      'give images (channels × height × width), or set model.preset to mlp',
    )
  const [channels, height, width] = shape
  return {
    ...{ ...model, ...answers },
    channels: agreed('channels', model.channels, channels!),
    height: agreed('height', model.height, height!),
    width: agreed('width', model.width, width!),
  }
}

function answersOf(
  { classes, outputs }: { readonly classes: number | null; readonly outputs: number | null },
  { targets }: RowsFormat,
) {
  if (targets.type === 'f32') {
    if (classes !== null)
      throw misfit(
        `model.classes is ${classes}, the targets of the data are quantities`,
        'leave model.classes out, or set data.task to classification',
      )
    return { classes, outputs: agreed('outputs', outputs, targets.values) }
  }
  if (outputs !== null)
    throw misfit(
      `model.outputs is ${outputs}, the targets of the data are ${targets.classes} classes`,
      'leave model.outputs out, or set data.task to regression',
    )
  // More classes than the data shows do no harm.
  if (classes !== null && classes > targets.classes) return { classes, outputs }
  return { classes: agreed('classes', classes, targets.classes), outputs }
}

function agreed(key: string, said: number | null, found: number): number {
  if (said === null || said === found) return found
  throw misfit(`model.${key} is ${said}, the data has ${found}`, `leave model.${key} out: the data tells it`)
}

export const misfit = (message: string, next: string): MurmurError =>
  new MurmurError('MODEL_DATA_MISFIT', { message, next, exit: 'usage' })
