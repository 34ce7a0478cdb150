import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { aRun, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { CidText } from '../protocol/ids.ts'
import { encode, type RoundManifest } from '../protocol/wire.ts'
import { missingRounds } from './adoption.ts'
import { rules } from './round/fixtures/virtual-head.ts'
import { initialRoundState, type RoundState } from './round/state.ts'

const heads = [peer(0), peer(1)]
const blocks = new Map<CidText, Uint8Array>()

/** A signed manifest that follows `parent`, as the head of its term would sign it; its block is there. */
function manifestAfter(parent: CidText | null, round: number, term = 8, signer = heads[term % 8]!): CidText {
  const manifest: RoundManifest = {
    ...{ run: aRun, term, round, epoch: 0, parent, closesEpoch: false, checkpoint: null },
    ...{ baseRoot: hashOf(`θ${round}`), stateRoot: hashOf(`θ${round + 1}`) },
    ...{ entries: [], refused: [], slots: [], average: null },
  }
  const bytes = encode('RoundManifest', manifest)
  const block = encode('SignedManifest', { manifest: bytes, signer, signature: new Uint8Array(64) })
  const cid = contentId(block, 'raw')
  blocks.set(cid, block)
  return cid
}

const at = (round: number, parent: CidText | null): RoundState => ({
  ...initialRoundState(rules),
  round,
  parent,
})
const look = (newest: CidText, state: RoundState) =>
  missingRounds(newest, state, heads, {
    fetch: async (cid) => blocks.get(cid)!,
    verify: async () => true,
  })
const roundsOf = async (newest: CidText, state: RoundState) =>
  (await look(newest, state)).map(({ manifest }) => manifest.round)

const first = manifestAfter(null, 0)
const second = manifestAfter(first, 1)
const third = manifestAfter(second, 2, 9)

test('what a worker holds beyond the log, oldest first', async () => {
  expect(await roundsOf(third, at(1, first))).toEqual([1, 2])
  expect(await roundsOf(third, at(0, null))).toEqual([0, 1, 2])
  expect((await look(third, at(1, first))).map(({ cid }) => cid)).toEqual([second, third])
})

test('a worker that is behind, or level, has nothing to tell', async () => {
  expect(await roundsOf(first, at(2, second))).toEqual([])
  expect(await roundsOf(second, at(2, second))).toEqual([])
})

test('another history than the log’s is not gone on with', async () => {
  const other = manifestAfter(manifestAfter(manifestAfter(null, 0, 9), 1, 9), 2, 9)
  expect(await roundsOf(other, at(1, first))).toEqual([])
})

test('what no head of its term signed is refused', async () => {
  await expect(look(manifestAfter(second, 2, 9, heads[0]), at(1, first))).rejects.toMatchObject({
    code: 'MANIFEST_FORGED',
  })
})
