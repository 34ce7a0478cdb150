import { decodeContributions } from '../aggregation/apply-round.ts'
import type { Averaging } from '../aggregation/averaging.ts'
import type { WeightedUpdate } from '../aggregation/rules/rule.ts'
import {
  averageOf,
  contributionsOf,
  decodeParts,
  partsOf,
  type RoundPart,
} from '../aggregation/shared-average.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'

export interface RoundUpdatesDependencies {
  readonly averaging: Averaging
  readonly parameterCount: number
  fetch(part: RoundPart): Promise<Uint8Array>
  /** Stores a block that was made here. */
  keep(cid: CidText, block: Uint8Array): Promise<unknown>
}

/**
 * What a round's outer step folds, fetched and decoded. An average that nobody has any more, as its head died before anyone
 * asked for it, is made again of the contributions, and then served as any block is.
 * @throws MurmurError MANIFEST_UNFIT, AVERAGE_FALSE, CONTRIBUTION_MALFORMED, and what fetching the average throws
 */
export async function roundUpdates(
  manifest: RoundManifest,
  { averaging, parameterCount, fetch, keep }: RoundUpdatesDependencies,
): Promise<WeightedUpdate[]> {
  const { round, average } = manifest
  const { shared } = averaging
  const fetched = (parts: readonly RoundPart[]) =>
    Promise.all(parts.map(async (part) => ({ bytes: await fetch(part), tokens: part.tokens })))
  const parts = partsOf(manifest, averaging, parameterCount)
  const remade = async (gone: unknown) => {
    if (average === null || shared === undefined) throw gone
    const contributions = await fetched(contributionsOf(manifest, averaging, parameterCount)).catch(() => {
      throw gone
    })
    const updates = decodeContributions(averaging, round, parameterCount, contributions)
    const bytes = averageOf(shared, updates, averaging, round, parameterCount)
    if (contentId(bytes, 'raw') !== average.cid) throw falseAverage(round)
    await keep(average.cid, bytes)
    return [{ bytes, tokens: 1 }]
  }
  return decodeParts(averaging, round, parameterCount, await fetched(parts).catch(remade))
}

const falseAverage = (round: number): MurmurError =>
  new MurmurError('AVERAGE_FALSE', {
    message: `round ${round}: its contributions give another average than the head sent`,
    next: 'the manifest that the head signed is the proof; join another head',
    exit: 'verification',
  })
