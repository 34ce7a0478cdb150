import type { Pins } from 'helia'
import { expect, test } from 'vitest'
import { some } from './fixtures/stores.ts'
import type { CheckpointManifest } from './manifest.ts'
import { pinCheckpoint } from './pins.ts'

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
