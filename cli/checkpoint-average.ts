import { Option } from 'commander'
import type { AveragedCheckpoint } from '../checkpoints/average.ts'
import { wholeNumber } from './worker-count.ts'

/** Each is read whole, and a mean that reaches further back is mostly of weights that training has long left. */
const maxAveraged = 64

export const averageOption = (): Option =>
  new Option(
    '--average <n>',
    `the mean of the checkpoint and the n − 1 before it, 2 to ${maxAveraged}; a head keeps those of all epochs that it was there for`,
  )

/** How many checkpoints are averaged; null where `--average` is not given. Throws COUNT_INVALID (exit `usage`). */
export const averageCount = (text: string | undefined): number | null =>
  text === undefined ? null : wholeNumber(text, '--average', 2, maxAveraged)

/** What a mean is of, for people: epochs as `murmur checkpoint list` counts them. */
export function averageText(averaged: readonly AveragedCheckpoint[]): string {
  const [newest, oldest] = [averaged[0]!, averaged.at(-1)!].map(({ manifest }) => manifest.epoch + 1)
  return `the mean of ${averaged.length} checkpoints, epochs ${oldest} to ${newest}`
}

/** What a mean is of, in a JSON document: CIDs, newest first. Nothing where nothing is averaged. */
export const averagedFields = (averaged: readonly AveragedCheckpoint[]): { averaged?: readonly string[] } =>
  averaged.length === 0 ? {} : { averaged: averaged.map(({ cid }) => cid) }
