import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import type { Network } from '../protocol/ports.ts'
import { keptRounds, RunBlocks } from './run-blocks.ts'

test.each([
  ['blocking', false, 5],
  ['eager', true, 6],
])('%s: of two epochs of two rounds each, and the newest round, blocks stay', async (_, eager, stay) => {
  const stored = new Map<CidText, Uint8Array>()
  const blocks = {
    get: async (cid: CidText) => stored.get(cid),
    has: async (cid: CidText) => stored.has(cid),
    put: async (cid: CidText, bytes: Uint8Array) => void stored.set(cid, bytes),
    delete: async (cid: CidText) => void stored.delete(cid),
  }
  const network = {} as Network
  const kept = new RunBlocks(keptRounds({ roundsPerEpoch: 2 }, { eager }), {
    ...{ network, blocks, peers: () => [] },
  })
  for (let round = 0; round < 10; round++) {
    const bytes = Uint8Array.of(round)
    await kept.keep(round, new Map([[contentId(bytes, 'raw'), bytes]]))
    expect(stored.size).toBe(Math.min(round + 1, stay))
  }
  expect([...stored.values()].map(([round]) => round)).toEqual([4, 5, 6, 7, 8, 9].slice(-stay))
})
