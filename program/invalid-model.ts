import { MurmurError } from '../protocol/errors.ts'

export function invalidModel(
  message: string,
  next = 'correct the model section of the run file',
): MurmurError {
  return new MurmurError('MODEL_INVALID', { message, next, exit: 'usage' })
}

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function assertPositive(sizes: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw invalidModel(`${name} is ${value}, not a positive integer`)
  }
}

/** @throws MurmurError MODEL_INVALID (exit `usage`). */
export function assertDivides(part: number, whole: number, partName: string, wholeName: string): void {
  assertPositive({ [wholeName]: whole, [partName]: part })
  if (whole % part !== 0) throw invalidModel(`${wholeName} ${whole} is not a multiple of ${partName} ${part}`)
}
