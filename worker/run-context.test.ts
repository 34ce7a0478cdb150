import { beforeAll, expect, test } from 'vitest'
import { type PreparedRun, prepareRun } from '../cli/submit.ts'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile } from '../protocol/run-spec.ts'
import { encodeDataManifest, parseDataManifest } from './data/manifest.ts'
import { type Fetch, fetchHeldOut, fetchShards, loadRunContext, runIdOf } from './run-context.ts'

/* What a submitter may have made up: blocks that are what their CIDs say, and do not belong together. */

let prepared: PreparedRun
beforeAll(async () => {
  const model = { preset: 'linear' }
  const data = { file: 'examples/paragraphs.csv', target: 'words' }
  prepared = await prepareRun(parseRunFile({ data, model, train: { batch: 4 } }, 'test'), 'test')
})

const of =
  (blocks: ReadonlyMap<CidText, Uint8Array>): Fetch =>
  async (cid) =>
    blocks.get(cid)!

/** The run with another data manifest. */
function withManifest(change: (of: ReturnType<typeof parseDataManifest>) => object) {
  const { spec, blocks } = prepared
  const manifest = parseDataManifest(blocks.get(spec.data)!)
  const bytes = encodeDataManifest({ ...manifest, ...change(manifest) })
  const data = contentId(bytes, 'dag-cbor')
  const specBytes = encodeRunSpec({ ...spec, data })
  const run = runIdOf(specBytes)
  return { run, fetch: of(new Map([...blocks, [data, bytes], [run as string as CidText, specBytes]])) }
}

test('a run of rows is loaded, and its shards are as long as they say', async () => {
  const fetch = of(prepared.blocks)
  const context = await loadRunContext(prepared.run, fetch)
  expect(context.batches.tokensPerStep).toBe(4)
  const shards = await fetchShards(context, { slot: 0, members: 2 }, fetch)
  expect(context.batches.at({ seed: 0, round: 0, slot: 0, step: 0 }, shards).inputs).toHaveLength(24)
  expect((await fetchHeldOut(context, fetch)).reduce((sum, { length }) => sum + length, 0)).toBe(251 * 28)
})

test('data that is not for its program is refused when the run is loaded', async () => {
  const { run, fetch } = withManifest(() => ({ format: { kind: 'bytes' } }))
  await expect(loadRunContext(run, fetch)).rejects.toMatchObject({ code: 'DATA_MISFIT' })
})

test('a program that computes in something else than the run says is refused when the run is loaded', async () => {
  const { spec, blocks } = prepared
  const specBytes = encodeRunSpec({ ...spec, train: { ...spec.train, compute: 'f16' } })
  const run = runIdOf(specBytes)
  const loading = loadRunContext(run, of(new Map([...blocks, [run as string as CidText, specBytes]])))
  await expect(loading).rejects.toMatchObject({ code: 'COMPUTE_DIFFERS', exit: 'usage' })
})

test('a shard that is not as long as its manifest says is refused, to train on and to evaluate', async () => {
  const { run, fetch } = withManifest(({ shards, heldOut, trainCount, heldOutCount }) => ({
    shards: shards.map((shard) => ({ ...shard, count: shard.count + 1 })),
    heldOut: heldOut.map((shard) => ({ ...shard, count: shard.count + 1 })),
    ...{ trainCount: trainCount + shards.length, heldOutCount: heldOutCount + heldOut.length },
  }))
  const context = await loadRunContext(run, fetch)
  const malformed = { code: 'DATA_MANIFEST_MALFORMED', exit: 'verification' }
  await expect(fetchShards(context, { slot: 0, members: 1 }, fetch)).rejects.toMatchObject(malformed)
  await expect(fetchHeldOut(context, fetch)).rejects.toMatchObject(malformed)
})
