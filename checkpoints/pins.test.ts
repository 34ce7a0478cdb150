import type { Pins } from 'helia'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import { some } from './fixtures/stores.ts'
import type { CheckpointManifest } from './manifest.ts'
import { pinCheckpoint, pinnedCheckpoints } from './pins.ts'

const named = (name: string) => Object.assign(new Error(name), { name })

/** Pins whose records answer `get` with an error; keeps what is added, and the signal of each question. */
function pinsThat(error: Error) {
  const added: string[] = []
  const signals: (AbortSignal | undefined)[] = []
  const pins = {
    get: async (_, options) => {
      signals.push(options?.signal)
      throw error
    },
    isPinned: async (_, options) => {
      signals.push(options?.signal)
      return false
    },
    async *add(cid) {
      added.push(cid.toString())
      yield cid
    },
  } satisfies Partial<Pins> as unknown as Pins
  return { pins, added, signals }
}

const file = some('file')
const manifest = { tensors: file, vectors: [] } as unknown as CheckpointManifest
const sources = { nowMs: 1, leavesOf: async () => [some('leaf')] }

test('what is not pinned yet is pinned, and the signal goes with every question', async () => {
  const { pins, added, signals } = pinsThat(named('NotFoundError'))
  const { signal } = new AbortController()
  await pinCheckpoint(pins, some('manifest'), manifest, sources, signal)
  expect(added).toEqual([file, some('manifest')])
  expect(signals).toEqual([signal, signal])
})

test('records that cannot be read are no answer', async () => {
  const { pins, added } = pinsThat(new Error('CBOR decode error'))
  await expect(pinCheckpoint(pins, some('manifest'), manifest, sources)).rejects.toThrow('CBOR')
  expect(added).toEqual([])
})

test('a kept checkpoint that is let go of while checkpoints are listed is left out; one that is pinned may not be gone', async () => {
  const [gone, here] = [some('gone'), some('here')]
  const kept = [gone, here].map((cid) => ({ cid, atMs: 1 }))
  const pinsOf = (...cids: string[]) =>
    ({
      async *ls() {
        for (const cid of cids) yield { cid: CID.parse(cid), metadata: { kind: 'checkpoint', pinnedAtMs: 2 } }
      },
    }) as unknown as Pins
  const readManifest = async (cid: string) => {
    if (cid === gone) throw new MurmurError('CHECKPOINT_NOT_FOUND', { message: 'gone', next: 'none' })
    return manifest
  }
  const listed = await pinnedCheckpoints(pinsOf(here), readManifest, kept)
  expect(listed).toEqual([{ cid: here, manifest, pinnedAtMs: 2 }])
  const broken = pinnedCheckpoints(pinsOf(gone), readManifest, kept)
  await expect(broken).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
})
