import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { aRun, cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { CidText, Hash } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { localStateDigest, packLocalState } from '../verification/local-state.ts'
import { emptyHeld, type Held, heldAfter } from './local-states.ts'

const [self, other] = [peer(1), peer(2)]
const shape = { parameterCount: 4, moments: 2, hasDrift: false }

function store() {
  const blocks = new Map<CidText, Uint8Array>()
  const port = {
    get: async (cid: CidText) => blocks.get(cid),
    put: async (cid: CidText, bytes: Uint8Array) => void blocks.set(cid, bytes),
  } as BlockStore
  return { blocks, port }
}

const manifest = (
  round: number,
  ...entries: (readonly [worker: typeof self, end: Hash])[]
): RoundManifest => ({
  ...{ run: aRun, term: 8, round, epoch: 0, parent: null, baseRoot: hashOf('a'), stateRoot: hashOf('b') },
  entries: entries.map(([worker, end]) => ({
    ...{ worker, contribution: cidOf('c'), contributionBytes: 1, tokens: 1, lossNats: 1 },
    trace: [hashOf('start'), end],
  })),
  ...{ refused: [], closesEpoch: false, checkpoint: null, slots: [], average: null },
})

async function trained(port: BlockStore, step: number): Promise<Held> {
  const { local } = await emptyHeld(port, shape)
  const block = packLocalState({ ...local, step })
  await port.put(contentId(block, 'raw'), block)
  return { local: { ...local, step }, digest: localStateDigest(block), round: -1 }
}

test('the end of the newest admitted trace, from memory', async () => {
  const { port } = store()
  const [one, two] = [await trained(port, 1), await trained(port, 2)]
  const manifests = [
    manifest(3, [self, one.digest]),
    manifest(4, [self, two.digest]),
    manifest(5, [other, hashOf('x')]),
  ]
  const found = await heldAfter({ self, manifests, candidates: [one, two], blocks: port, shape })
  expect(found).toEqual({ ...two, round: 4 })
})

test('after a restart it comes from the disk, and is gone when that has not got it', async () => {
  const { port, blocks } = store()
  const one = await trained(port, 7)
  const manifests = [manifest(3, [self, one.digest])]
  const options = { self, manifests, candidates: [], blocks: port, shape }
  expect(await heldAfter(options)).toEqual({ ...one, round: 3 })
  blocks.clear()
  expect(await heldAfter(options)).toBeNull()
})

test('manifests without this worker tell nothing', async () => {
  const { port } = store()
  const manifests = [manifest(0, [other, hashOf('x')])]
  expect(await heldAfter({ self, manifests, candidates: [], blocks: port, shape })).toBe('unknown')
})

test('the empty state is stored, since an auditor may ask for it', async () => {
  const { port, blocks } = store()
  const { digest, local } = await emptyHeld(port, shape)
  const [block] = blocks.values()
  expect([localStateDigest(block!), local.step]).toEqual([digest, 0])
})
