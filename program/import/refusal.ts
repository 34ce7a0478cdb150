import { MurmurError } from '../../protocol/errors.ts'

/** The bytes cannot be read as an ONNX model. */
export function malformedOnnx(why: string, cause?: unknown): MurmurError {
  return new MurmurError('ONNX_MALFORMED', {
    message: `this is not an ONNX model that can be read: ${why.slice(0, 300)}`,
    next: 'export it again; docs/bring-your-own-model.md shows how',
    exit: 'usage',
    cause,
  })
}

/** The model is a model, but not one that can be trained here. */
export function unsupportedOnnx(
  message: string,
  next = 'docs/bring-your-own-model.md says what can be imported',
  cause?: unknown,
): MurmurError {
  return new MurmurError('ONNX_UNSUPPORTED', {
    message: message.slice(0, 500),
    next,
    exit: 'usage',
    cause,
  })
}

/** A name from a file as it may be shown: short, without control characters. */
export const shown = (name: string): string => `"${name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')}"`
