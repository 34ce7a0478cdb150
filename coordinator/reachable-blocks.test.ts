import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import type { BlockStore } from '../protocol/ports.ts'
import { reachableBlocks } from './reachable-blocks.ts'

const mine: Uint8Array = Buffer.from('mine')
const theirs: Uint8Array = Buffer.from('theirs')
const cidOf = (bytes: Uint8Array) => contentId(bytes, 'raw')

function reachable(peers: readonly string[]) {
  const asked: CidText[] = []
  const kept: CidText[] = []
  const own = {
    get: async (cid: CidText) => (cid === cidOf(mine) ? mine : undefined),
    put: async (cid: CidText) => {
      kept.push(cid)
    },
    has: async (cid: CidText) => cid === cidOf(mine),
    delete: async () => {},
  } satisfies BlockStore
  const blocks = reachableBlocks(own, {
    connectedPeers: () => peers as WorkerId[],
    fetchBlock: async (_, cid) => {
      asked.push(cid)
      if (cid === cidOf(theirs)) return theirs
      throw new Error('nobody has it')
    },
  })
  return { blocks, asked, kept }
}

test('a block that is here is not asked for; one that a peer has is given, and not kept', async () => {
  const { blocks, asked, kept } = reachable(['peer'])
  expect(await blocks.get(cidOf(mine))).toBe(mine)
  expect(asked).toEqual([])
  expect(await blocks.get(cidOf(theirs))).toBe(theirs)
  expect(kept).toEqual([])
})

test('one that nobody has is not there; without peers nobody is asked', async () => {
  expect(await reachable(['peer']).blocks.get(cidOf(Buffer.from('no')))).toBeUndefined()
  const alone = reachable([])
  expect(await alone.blocks.get(cidOf(theirs))).toBeUndefined()
  expect(alone.asked).toEqual([])
})

test('few are asked for at a time, each once; beyond that it is refused, and later taken', async () => {
  const asked: CidText[] = []
  const answers: ((bytes: Uint8Array) => void)[] = []
  const own = { get: async () => undefined } as unknown as BlockStore
  const blocks = reachableBlocks(own, {
    connectedPeers: () => ['peer'] as WorkerId[],
    fetchBlock: (_, cid) => {
      asked.push(cid)
      return new Promise((resolve) => answers.push(resolve))
    },
  })
  const [first, second, third] = ['1', '2', '3'].map((text) => cidOf(Buffer.from(text))) as [
    CidText,
    CidText,
    CidText,
  ]
  const wanted = [blocks.get(first), blocks.get(first), blocks.get(second)]
  await expect(blocks.get(third)).rejects.toMatchObject({ code: 'BLOCKS_BUSY' })
  expect(asked).toEqual([first, second])
  for (const answer of answers) answer(theirs)
  expect(await Promise.all(wanted)).toEqual([theirs, theirs, theirs])
  const later = blocks.get(third)
  await Promise.resolve()
  await new Promise(setImmediate)
  answers.at(-1)!(mine)
  expect(await later).toBe(mine)
})
