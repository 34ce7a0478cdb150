import { decodeContributions } from '../aggregation/apply-round.ts'
import { averageOf, contributionsOf, mostBytes, type RoundPart } from '../aggregation/shared-average.ts'
import { contentId } from '../protocol/content-id.ts'
import { isMurmurError } from '../protocol/errors.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { RunContext } from './run-context.ts'

/** Whoever admitted such contributions, or made an average of them, did not do what the protocol says. */
const inadmissible = ['CONTRIBUTION_MALFORMED', 'UPDATE_NOT_FINITE'] as const

/**
 * Whether the average that a head put into a manifest is, byte for byte, what the manifest's contributions give. Blocks that
 * have the CIDs the head signed, but are longer than it said or do not decode, could not have been admitted: such an average
 * is false too. Rejects where a contribution cannot be had.
 */
export async function isTrueAverage(
  manifest: RoundManifest,
  { averaging, model }: Pick<RunContext, 'averaging' | 'model'>,
  fetch: (part: RoundPart) => Promise<Uint8Array>,
): Promise<boolean> {
  const { shared } = averaging
  const { round, average, entries } = manifest
  if (shared === undefined || average === null) return shared === undefined && average === null
  const { parameterCount } = model
  // However short the head says that they are.
  const maxBytes = mostBytes(round, averaging, parameterCount)
  const contributions = await Promise.all(
    contributionsOf(manifest, averaging, parameterCount).map(async (part) => ({
      bytes: await fetch({ ...part, maxBytes }),
      tokens: part.tokens,
    })),
  )
  if (contributions.some(({ bytes }, index) => bytes.length > entries[index]!.contributionBytes)) return false
  try {
    const updates = decodeContributions(averaging, round, parameterCount, contributions)
    const own = averageOf(shared, updates, averaging, round, parameterCount)
    return contentId(own, 'raw') === average.cid
  } catch (error) {
    if (inadmissible.some((code) => isMurmurError(error, code))) return false
    throw error
  }
}
