import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'
import { matchesCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText } from '../protocol/ids.ts'
import { leafBytes } from './unixfs-file.ts'

/** Gets one block, verified against its CID; refuses longer ones than `maxBytes`. */
export type FetchBlockByCid = (cid: CidText, maxBytes: number) => Promise<Uint8Array>

type Blockstore = Parameters<typeof unixfs>[0]['blockstore']

/** Blocks asked for at once; the exporter that reads the file takes this beside its own options. */
const reading = { offline: false, blockReadConcurrency: 4 }

export interface StoredFileOptions {
  readonly maxBytes: number
  readonly fetch: FetchBlockByCid
  /** The error that says why the file is refused. */
  readonly refuse: (why: string, cause?: unknown) => MurmurError
}

/**
 * The bytes of a UnixFS file, part by part; every block is checked against its CID. What is longer than `maxBytes` is
 * refused before more of it is fetched.
 * @throws MurmurError as `refuse` makes it, or what `fetch` throws.
 */
export async function* storedFile(
  cid: CidText,
  { maxBytes, fetch, refuse }: StoredFileOptions,
): AsyncGenerator<Uint8Array> {
  let fetched = 0
  const fetching = {
    get: async function* (wanted: CID) {
      const block = cidText(wanted.toString())
      const bytes = await fetch(block, leafBytes)
      if (bytes.length > leafBytes || !matchesCid(block, bytes))
        throw refuse(`other bytes came than its block ${block} names`)
      fetched += bytes.length
      // Nodes are 1/20,000 of what they hold together; of leaves of 256 KiB, 1/5,000.
      if (fetched > maxBytes + leafBytes) throw refuse(`it is longer than ${maxBytes} bytes`)
      yield bytes
    },
  }
  const files = unixfs({ blockstore: fetching as unknown as Blockstore })
  let length = 0
  try {
    for await (const part of files.cat(CID.parse(cid), reading)) {
      length += part.length
      if (length > maxBytes) throw refuse(`it is longer than ${maxBytes} bytes`)
      yield part
    }
  } catch (cause) {
    if (cause instanceof MurmurError) throw cause
    throw refuse(cause instanceof Error ? cause.message : 'it cannot be read', cause)
  }
}
