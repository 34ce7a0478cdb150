import type { FetchBlockByCid } from '../checkpoints/stored-file.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type ApiClient, connectApi } from './api-client.ts'

/** Blocks that the head of a state folder has, or can get of its peers; it is asked for first when the first is wanted. */
export function headBlocks(home: string): FetchBlockByCid {
  let connected: Promise<ApiClient> | undefined
  return async (cid, maxBytes) => {
    connected ??= connectApi(home)
    const bytes = await (await connected).getBlock(cid)
    if (bytes.length <= maxBytes) return bytes
    throw new MurmurError('BLOCK_TOO_LONG', {
      message: `the block ${cid} has ${bytes.length} bytes, the limit is ${maxBytes}`,
      next: 'add the file again in chunks of at most 1 MiB',
      exit: 'usage',
    })
  }
}
