import { expect, test } from 'vitest'
import { decodeContributions } from '../aggregation/apply-round.ts'
import { averagingOf } from '../aggregation/averaging.ts'
import { averageOf, type RoundPart } from '../aggregation/shared-average.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { aRun, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { CidText } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import type { RunContext } from './run-context.ts'
import { isTrueAverage } from './true-average.ts'

const parameterCount = 9_000
const averaging = averagingOf(parseRunFile({ averaging: { averageTopK: 512, rule: 'mean' } }, 'run.yaml'))
const context = { averaging, model: { parameterCount } } as Pick<RunContext, 'averaging' | 'model'>

const contribution = (scale: number): Uint8Array => {
  const delta = Float32Array.from({ length: parameterCount }, (_, index) => scale * ((index % 97) / 97 - 0.4))
  return averaging.compressor.compress(delta, averaging.compressor.init(parameterCount)).bytes
}
const honest = [contribution(1), contribution(-0.5), contribution(2)]

/** What a head says of these blocks when it weighs the first `weight` times. */
function round(blocks: readonly Uint8Array[], weight = 1) {
  const served = new Map<CidText, Uint8Array>(blocks.map((bytes) => [contentId(bytes, 'raw'), bytes]))
  const weighed = honest.map((bytes, index) => ({ bytes, tokens: index === 0 ? 64 * weight : 64 }))
  const updates = decodeContributions(averaging, 0, parameterCount, weighed)
  const average = averageOf(averaging.shared!, updates, averaging, 0, parameterCount)
  const manifest: RoundManifest = {
    ...{ run: aRun, term: 8, round: 0, epoch: 0, parent: null, closesEpoch: false, checkpoint: null },
    ...{ baseRoot: hashOf('a'), stateRoot: hashOf('b'), refused: [], slots: [] },
    entries: blocks.map((bytes, index) => ({
      ...{ worker: peer(index), contribution: contentId(bytes, 'raw'), contributionBytes: bytes.length },
      ...{ tokens: 64, trace: [], lossNats: 1 },
    })),
    average: { cid: contentId(average, 'raw'), bytes: average.length },
  }
  const fetch = async ({ cid, maxBytes }: RoundPart) => {
    const bytes = served.get(cid)
    if (bytes !== undefined && bytes.length <= maxBytes) return bytes
    throw new MurmurError('BLOCK_UNAVAILABLE', { message: 'nobody serves it', next: 'ask again' })
  }
  return { manifest, fetch, served }
}

const judged = ({ manifest, fetch }: ReturnType<typeof round>) => isTrueAverage(manifest, context, fetch)

test('an average of what the manifest names is true, one that weighs a worker more is not', async () => {
  expect(await judged(round(honest))).toBe(true)
  expect(await judged(round(honest, 1000))).toBe(false)
})

test('a lie that hides behind entries which could not have been admitted is a lie', async () => {
  const { manifest, fetch } = round(honest, 1000)
  const short = manifest.entries.map((entry) => ({ ...entry, contributionBytes: 1 }))
  expect(await isTrueAverage({ ...manifest, entries: short }, context, fetch)).toBe(false)
  expect(await judged(round([...honest, Uint8Array.of(1, 2, 3)], 1000))).toBe(false)
})

test('a contribution that nobody serves proves nothing', async () => {
  const { manifest, fetch, served } = round(honest, 1000)
  served.delete(manifest.entries[1]!.contribution)
  await expect(isTrueAverage(manifest, context, fetch)).rejects.toThrow(
    expect.objectContaining({ code: 'BLOCK_UNAVAILABLE' }),
  )
})
