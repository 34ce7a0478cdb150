import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { maskedScore } from '../program/import/masks.ts'
import type { CidText } from '../protocol/ids.ts'
import { writeParameterFile } from './parameter-file.ts'
import { openStore } from './store.ts'
import { fetchWeights, writeWeightsFile } from './weights-file.ts'

const table = [
  { name: 'a.weight', shape: [700, 1000], offset: 0 },
  { name: 'a.bias', shape: [3], offset: 700_000 },
]
const theta = Float32Array.from({ length: 700_003 }, (_, index) => ((index * 7919) % 1009) / 64)
const links = { parent: null, round: 0, epoch: 0 } as const

const fetchFrom = (blocks: ReadonlyMap<CidText, Uint8Array>) => async (cid: CidText) => {
  const block = blocks.get(cid)
  if (block === undefined) throw new Error(`${cid} is not here`)
  return block
}

test('weights come back as they were, and are the file that a checkpoint of them has', async () => {
  const { cid, blocks } = await writeWeightsFile(theta, table)
  expect(blocks.size).toBe(4)
  expect(await fetchWeights(cid, table, fetchFrom(blocks))).toEqual(theta)
  const folder = await mkdtemp(join(tmpdir(), 'murmur-weights-'))
  const store = await openStore(folder)
  try {
    const [run, program, data] = [...blocks.keys()] as [never, CidText, CidText]
    const written = await store.writeCheckpoint({ theta, vectors: [] }, table, {
      ...links,
      run,
      program,
      data,
    })
    expect(written.fileCid).toBe(cid)
    expect(written.bytes).toBe(writeParameterFile(theta, table).length)
  } finally {
    await store.close()
    await rm(folder, { recursive: true })
  }
})

test('small weights are one block', async () => {
  const small = [{ name: 'w', shape: [2], offset: 0 }]
  const { cid, blocks } = await writeWeightsFile(Float32Array.of(1, 2), small)
  expect([...blocks.keys()]).toEqual([cid])
  expect([...(await fetchWeights(cid, small, fetchFrom(blocks)))]).toEqual([1, 2])
})

test('weights of another table, other bytes and values that are not finite are refused', async () => {
  const { cid, blocks } = await writeWeightsFile(theta, table)
  const renamed = [{ ...table[0]!, name: 'b.weight' }, table[1]!]
  await expect(fetchWeights(cid, renamed, fetchFrom(blocks))).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
  })
  const smaller = [{ name: 'a.weight', shape: [10, 10], offset: 0 }]
  const long = await writeWeightsFile(new Float32Array(4_000_000), [
    { name: 'w', shape: [4_000_000], offset: 0 },
  ])
  const asked: CidText[] = []
  const counting = async (block: CidText) => {
    asked.push(block)
    return await fetchFrom(long.blocks)(block)
  }
  await expect(fetchWeights(long.cid, smaller, counting)).rejects.toMatchObject({ code: 'WEIGHTS_UNFIT' })
  expect(asked.length).toBeLessThanOrEqual(6)
  const forged = new Map(
    [...blocks].map(([block, bytes]) => [block, block === cid ? bytes : bytes.with(-1, 1)]),
  )
  await expect(fetchWeights(cid, table, fetchFrom(forged))).rejects.toThrow(/other bytes came/)
  const broken = await writeWeightsFile(theta.with(5, Number.NaN), table)
  await expect(fetchWeights(broken.cid, table, fetchFrom(broken.blocks))).rejects.toMatchObject({
    code: 'WEIGHTS_UNFIT',
  })
})

test('−∞ in what is frozen is what an imported mask has for it; elsewhere, and NaN, it is refused by its name', async () => {
  const open = Number.NEGATIVE_INFINITY
  const masked = [
    { name: 'w', shape: [2], offset: 0 },
    { name: 'mask', shape: [3], offset: 2, role: 'frozen' },
  ]
  const read = async (...values: readonly number[]) => {
    const { cid, blocks } = await writeWeightsFile(Float32Array.from(values), masked)
    return [...(await fetchWeights(cid, masked, fetchFrom(blocks)))]
  }
  expect(await read(1, 2, open, 0, open)).toEqual([1, 2, maskedScore, 0, maskedScore])
  await expect(read(1, open, 0, 0, 0)).rejects.toThrow(/"w" holds -Infinity/)
  await expect(read(1, 2, open, Number.NaN, 0)).rejects.toThrow(/"mask" holds NaN/)
  await expect(read(1, 2, 0, 0, Number.POSITIVE_INFINITY)).rejects.toThrow(/"mask" holds Infinity/)
})

test('a file whose block cannot be had says what fetching said', async () => {
  const { cid, blocks } = await writeWeightsFile(theta, table)
  const missing = new Map([...blocks].slice(1))
  await expect(fetchWeights(cid, table, fetchFrom(missing))).rejects.toThrow(/is not here/)
})
