import { expect, test } from 'vitest'
import { links, stores } from '../checkpoints/fixtures/stores.ts'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import type { Network } from '../protocol/ports.ts'
import { keptRounds, RunBlocks, type RunBlocksDependencies } from './run-blocks.ts'

const { openIn } = stores()
const blockOf = (text: string): readonly [CidText, Uint8Array] => {
  const bytes = Buffer.from(text)
  return [contentId(bytes, 'raw'), bytes]
}
/** Peers have everything that is asked for by a text. */
const elsewhere = new Map(Array.from({ length: 10 }, (_, round) => blockOf(`theirs ${round}`)))
const network = {
  fetchBlock: async (_: unknown, cid: CidText) => elsewhere.get(cid)!,
} as unknown as Network
const { signal } = new AbortController()

test.each([
  ['blocking', false, 5],
  ['eager', true, 6],
])(
  '%s: of two epochs of two rounds each, and the newest round, blocks stay, over restarts too',
  async (name, eager, stay) => {
    const rounds = Array.from({ length: 10 }, (_, round) => round)
    const manifest = blockOf('of the whole run')
    for (const round of rounds) {
      // A process for each round.
      const store = await openIn(name)
      const dependencies: RunBlocksDependencies = {
        ...{ run: links.run, network, blocks: store.blocks, kept: await store.kept() },
        ...{ peers: () => [], log: (code) => expect.unreachable(code) },
      }
      const kept = new RunBlocks(dependencies, keptRounds({ roundsPerEpoch: 2 }, { eager }))
      await kept.put(...manifest)
      await kept.fetch(blockOf(`theirs ${round}`)[0], 100, signal, { round })
      const [own, bytes] = blockOf(`own ${round}`)
      await kept.keep(round, new Map([[own, () => bytes]]))
      for (const which of ['own', 'theirs']) {
        const here = await Promise.all(rounds.map((of) => store.blocks.has(blockOf(`${which} ${of}`)[0])))
        expect(rounds.filter((of) => here[of])).toEqual(rounds.slice(0, round + 1).slice(-stay))
      }
      expect(await store.blocks.has(manifest[0])).toBe(true)
      await store.close()
    }
  },
)

test.each(['comes', 'is written'])(
  'a block whose round is let go of while it %s goes with a later one',
  async (when) => {
    const store = await openIn('worker')
    const kept = await store.kept()
    const [cid, bytes] = blockOf('theirs 0')
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const pass = async (at: string) => {
      if (at !== when) return
      reached.resolve()
      await gate.promise
    }
    const blocks = new RunBlocks(
      {
        ...{ run: links.run, kept, peers: () => [], log: (code) => expect.unreachable(code) },
        network: {
          fetchBlock: async () => {
            await pass('comes')
            return bytes
          },
        } as unknown as Network,
        blocks: {
          ...store.blocks,
          put: async (...of) => {
            // If the process ended after this, the block would be found.
            expect(kept.runs().has(links.run)).toBe(true)
            await pass('is written')
            await store.blocks.put(...of)
          },
        },
      },
      1,
    )
    const fetching = blocks.fetch(cid, 100, signal, { round: 0 })
    await reached.promise
    await blocks.dropBefore(2)
    gate.resolve()
    expect(await fetching).toEqual(bytes)
    expect(await store.blocks.has(cid)).toBe(true)
    await blocks.dropBefore(3)
    expect(await store.blocks.has(cid)).toBe(false)
  },
)
