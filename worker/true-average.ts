import { decodeContributions } from '../aggregation/apply-round.ts'
import { averageOf, contributionsOf, type RoundPart } from '../aggregation/shared-average.ts'
import { contentId } from '../protocol/content-id.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { RunContext } from './run-context.ts'

/** Whether the average that a head put into a manifest is, byte for byte, what the manifest's contributions give. */
export async function isTrueAverage(
  manifest: RoundManifest,
  { averaging, model }: Pick<RunContext, 'averaging' | 'model'>,
  fetch: (
    parts: readonly RoundPart[],
  ) => Promise<readonly { readonly bytes: Uint8Array; readonly tokens: number }[]>,
): Promise<boolean> {
  const { shared } = averaging
  const { round, average } = manifest
  if (shared === undefined || average === null) return shared === undefined && average === null
  const { parameterCount } = model
  const contributions = await fetch(contributionsOf(manifest, averaging, parameterCount))
  const updates = decodeContributions(averaging, round, parameterCount, contributions)
  return contentId(averageOf(shared, updates, averaging, round, parameterCount), 'raw') === average.cid
}
