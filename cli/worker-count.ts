import { MurmurError } from '../protocol/errors.ts'

/** Each is a process with an engine of its own; the devnet has accounts for so many, too. */
const maxLocalWorkers = 32

/** @throws MurmurError COUNT_INVALID (exit `usage`) */
export function wholeNumber(text: string, what: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new MurmurError('COUNT_INVALID', {
    message: `${what} is ${text}`,
    next: `give a whole number from ${min} to ${max}`,
    exit: 'usage',
  })
}

export const workerCount = (text: string): number => wholeNumber(text, '--workers', 1, maxLocalWorkers)
