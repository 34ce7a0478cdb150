import { unixfs } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'
import { type CidText, cidText } from '../protocol/ids.ts'
import { unixfsFileOptions } from './unixfs-file.ts'

type Blockstore = Parameters<typeof unixfs>[0]['blockstore']
type Added = Parameters<ReturnType<typeof unixfs>['addByteStream']>

/**
 * Cuts a file into the blocks of its DAG and gives each to `put`, some at once, as it is read: never the whole of it is in
 * memory. Resolves with its CID when all of them are put.
 * @throws what reading `content` and `put` throw.
 */
export async function fileBlocks(
  content: Added[0],
  put: (cid: CidText, block: Uint8Array) => Promise<void>,
  options: Added[1] = unixfsFileOptions,
): Promise<CidText> {
  const blockstore = {
    put: async (cid: CID, block: Uint8Array) => {
      await put(cidText(cid.toString()), block)
      return cid
    },
  }
  const files = unixfs({ blockstore: blockstore as unknown as Blockstore })
  const cid = await files.addByteStream(content, options)
  return cidText(cid.toString())
}
