import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { expect, test, vi } from 'vitest'
import { writeWeightsFile } from '../../checkpoints/weights-file.ts'
import { contentId } from '../../protocol/content-id.ts'
import { type CidText, cidText, runId } from '../../protocol/ids.ts'
import type { BlockStore } from '../../protocol/ports.ts'
import { sections } from '../../protocol/run-sections.ts'
import { encodeRunSpec, type RunSpec } from '../../protocol/run-spec.ts'
import { settlement, someRun } from './fixtures/records.ts'
import { Mirror } from './mirror.ts'
import { needsOf } from './needs.ts'
import type { HeadRecord } from './record.ts'

const raw = (text: string) => Buffer.from(text)
const memory = (): BlockStore & { readonly held: Map<CidText, Uint8Array> } => {
  const held = new Map<CidText, Uint8Array>()
  return {
    held,
    get: async (cid) => held.get(cid),
    has: async (cid) => held.has(cid),
    put: async (cid, bytes) => {
      held.set(cid, bytes)
    },
    delete: async (cid) => {
      held.delete(cid)
    },
  }
}

/** The blocks of a run as the leader holds them. */
function leaderBlocks() {
  const held = new Map<CidText, Uint8Array>()
  const put = (bytes: Uint8Array, codec: 'raw' | 'dag-cbor') => {
    const cid = contentId(bytes, codec)
    held.set(cid, bytes)
    return cid
  }
  const shards = ['one', 'two', 'three'].map((text) => put(raw(text), 'raw'))
  const data = put(
    dagCbor.encode({ version: 1, shards: shards.map((cid) => ({ cid: CID.parse(cid), tokens: 3 })) }),
    'dag-cbor',
  )
  const programs = {
    training: put(raw('training'), 'raw'),
    evaluation: put(raw('evaluation'), 'raw'),
    sampling: put(raw('sampling'), 'raw'),
  }
  return { held, put, shards, data, programs }
}

test('a submitted run brings its spec, programs, data manifest, shards and initial weights', async () => {
  const leader = leaderBlocks()
  const { data, programs } = leader
  const theta = Float32Array.from({ length: 600_000 }, (_, index) => index)
  const weights = await writeWeightsFile(theta, [{ name: 'w', shape: [600_000], offset: 0 }])
  for (const [cid, block] of weights.blocks) leader.held.set(cid, block)
  const spec = {
    version: 1,
    name: 'run',
    nonce: '00'.repeat(16),
    programs,
    data,
    init: { weights: weights.cid },
    ...Object.fromEntries(Object.entries(sections).map(([name, schema]) => [name, schema.parse({})])),
    reward: null,
  } as unknown as RunSpec
  const run = runId(leader.put(encodeRunSpec(spec), 'dag-cbor'))
  const blocks = memory()
  const fetched: CidText[] = []
  const mirror = new Mirror({
    blocks,
    fetch: async (cid) => {
      fetched.push(cid)
      return leader.held.get(cid)!
    },
    fetchCheckpoint: async () => {},
    keepReport: async () => {},
    log: () => {},
  })
  const record: HeadRecord = { kind: 'submitted', run, submittedAt: 1, priority: 0, owner: '' }
  mirror.offer(record)
  await mirror.idle()
  expect([...blocks.held.keys()].sort()).toEqual([...leader.held.keys()].sort())
  expect(weights.blocks.size).toBe(4)
  expect(mirror.progress).toEqual({ done: 9, waiting: 0, missing: 0 })
  mirror.offer(record)
  await mirror.idle()
  expect(fetched).toHaveLength(12)
})

test('few blocks at once, and of checkpoints that wait only the newest', async () => {
  const gate = Promise.withResolvers<void>()
  const checkpoints: CidText[] = []
  let atOnce = 0
  const mirror = new Mirror({
    blocks: memory(),
    fetch: async (cid) => {
      atOnce += 1
      await gate.promise
      return raw(names.get(cid)!)
    },
    fetchCheckpoint: async (cid) => {
      checkpoints.push(cid)
    },
    keepReport: async () => {},
    log: () => {},
  })
  const names = new Map<CidText, string>()
  const published = (round: number): HeadRecord => {
    const cid = contentId(raw(`manifest ${round}`), 'raw')
    names.set(cid, `manifest ${round}`)
    return { kind: 'round', run: someRun, now: 0, event: { kind: 'published', round, cid, block: null } }
  }
  const aggregated = (round: number): HeadRecord => ({
    kind: 'round',
    run: someRun,
    now: 0,
    event: {
      kind: 'aggregated',
      round,
      admitted: [],
      refused: [],
      stateRoot: `0x${'00'.repeat(32)}`,
      checkpoint: contentId(raw(`checkpoint ${round}`), 'dag-cbor'),
      average: null,
    },
  })
  for (let round = 0; round < 20; round++) mirror.offer(published(round))
  for (let round = 0; round < 20; round++) mirror.offer(aggregated(round))
  await vi.waitFor(() => expect(atOnce).toBe(4))
  gate.resolve()
  await mirror.idle()
  expect(checkpoints).toEqual([contentId(raw('checkpoint 19'), 'dag-cbor')])
  expect(mirror.progress).toEqual({ done: 21, waiting: 0, missing: 0 })
})

test('other bytes than the CID names are not kept', async () => {
  const blocks = memory()
  let asked = 0
  const mirror = new Mirror({
    blocks,
    fetch: async () => {
      asked += 1
      return raw('something else')
    },
    fetchCheckpoint: async () => {},
    keepReport: async () => {},
    log: () => {},
  })
  mirror.offer(settlement(1))
  await vi.waitFor(() => expect(asked).toBe(1))
  await mirror.stop()
  expect(blocks.held.size).toBe(0)
})

test('what a record needs', () => {
  expect(needsOf(settlement(2))).toMatchObject([{ kind: 'block' }])
  expect(needsOf({ kind: 'term', term: 8 })).toEqual([])
  const [cid, checkpoint] = [contentId(raw('average'), 'raw'), contentId(raw('checkpoint'), 'dag-cbor')]
  const event = {
    ...{ kind: 'aggregated' as const, round: 3, admitted: [], refused: [] },
    ...{ stateRoot: `0x${'00'.repeat(32)}` as const, checkpoint, average: { cid, bytes: 77 } },
  }
  expect(needsOf({ kind: 'round', run: someRun, now: 0, event })).toEqual([
    { kind: 'block', cid, maxBytes: 77 },
    { kind: 'checkpoint', run: someRun, cid: checkpoint },
  ])
  expect(needsOf({ kind: 'submitted', run: someRun, submittedAt: 0, priority: 0, owner: '' })).toMatchObject([
    { kind: 'spec', cid: cidText(someRun) },
  ])
})

test('the report of a run that is over is kept, of that run and no other', async () => {
  const kept: [string, string][] = []
  const [run, bytes] = [someRun, raw('{}')]
  const mirror = new Mirror({
    blocks: memory(),
    fetch: async () => bytes,
    fetchCheckpoint: async () => {},
    keepReport: async (of, written) => void kept.push([of, Buffer.from(written).toString()]),
    log: () => {},
  })
  mirror.offer({ kind: 'archived', run, report: contentId(bytes, 'raw') })
  mirror.offer({ kind: 'archived', run, report: null })
  await mirror.idle()
  expect(kept).toEqual([[run, '{}']])
  expect(mirror.progress).toEqual({ done: 1, waiting: 0, missing: 0 })
  await mirror.stop()
})
