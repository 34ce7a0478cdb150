import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { maxStateBlockBytes } from '../../protocol/limits.ts'
import { readSafetensors, type Tensor } from '../safetensors.ts'
import { jsonIn, readBounded } from './read-file.ts'
import { unfit } from './weights.ts'

const single = 'model.safetensors'
const indexName = 'model.safetensors.index.json'

/** An index of 100,000 tensors has about ten megabytes. */
const maxIndexBytes = 16 * 1024 * 1024
const maxShards = 1000

/** A file of the folder itself: an index from elsewhere must not name another. */
const shardName = /^(?!\.)[A-Za-z0-9._-]{1,200}\.safetensors$/

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) })

/**
 * The tensors of a folder that `save_pretrained` wrote: of its `model.safetensors`, else of the files that its
 * `model.safetensors.index.json` names, each tensor in the one that the index says and nowhere else.
 * @throws MurmurError PRETRAINED_UNREADABLE, PRETRAINED_UNFIT (exit `usage`), SAFETENSORS_MALFORMED.
 */
export async function folderTensors(
  folder: string,
  maxBytes: number = maxStateBlockBytes,
): Promise<ReadonlyMap<string, Tensor>> {
  const index = join(folder, indexName)
  if ((await isThere(join(folder, single))) || !(await isThere(index)))
    return readSafetensors(await readBounded(join(folder, single), maxBytes)).tensors
  const shardOf = shardsIn(jsonIn(await readBounded(index, maxIndexBytes)))
  const tensors = new Map<string, Tensor>()
  let left = maxBytes
  for (const shard of new Set(shardOf.values())) {
    const bytes = await readBounded(join(folder, shard), left)
    left -= bytes.length
    for (const [name, tensor] of readSafetensors(bytes).tensors) {
      if (shardOf.get(name) !== shard) throw unfit(`${shard} holds "${name}", which the index does not say`)
      tensors.set(name, tensor)
    }
  }
  for (const [name, shard] of shardOf)
    if (!tensors.has(name)) throw unfit(`${shard} does not hold "${name}", which the index says`)
  return tensors
}

/** Tensor → file. */
function shardsIn(value: unknown): ReadonlyMap<string, string> {
  const parsed = indexSchema.safeParse(value)
  if (!parsed.success) throw unfit(`${indexName} has no weight_map of names and files`)
  const shardOf = new Map(Object.entries(parsed.data.weight_map))
  const shards = new Set(shardOf.values())
  for (const shard of shards)
    if (!shardName.test(shard))
      throw unfit(`${indexName} names ${JSON.stringify(shard.slice(0, 80))}, which is no file of its folder`)
  if (shards.size === 0 || shards.size > maxShards)
    throw unfit(`${indexName} names ${shards.size} files, 1 to ${maxShards} are read`)
  return shardOf
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
