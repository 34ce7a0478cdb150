import { MurmurError } from '../protocol/errors.ts'
import { maxMembers } from '../protocol/limits.ts'

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

export const workerCount = (text: string): number => wholeNumber(text, '--workers', 1, maxMembers)
