import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'
import { matchesCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText } from '../protocol/ids.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import { type ParameterPlace, readParameterFile, writeParameterFile } from './parameter-file.ts'
import { unixfsFileOptions } from './unixfs-file.ts'

/*
 * Weights that a run starts from: a parameter file like a checkpoint's, as blocks that anyone can fetch. `ipfs cat` of
 * its CID is the safetensors file.
 */

export interface WeightsFile {
  readonly cid: CidText
  readonly blocks: ReadonlyMap<CidText, Uint8Array>
}

/** Gets one block, verified against its CID; refuses longer ones than `maxBytes`. */
export type FetchBlockByCid = (cid: CidText, maxBytes: number) => Promise<Uint8Array>

type Blockstore = Parameters<typeof unixfs>[0]['blockstore']

/** The flat vector as the blocks of a parameter file; `theta` is in the order of `table`. */
export async function writeWeightsFile(
  theta: Float32Array,
  table: readonly ParameterPlace[],
): Promise<WeightsFile> {
  const blocks = new Map<CidText, Uint8Array>()
  const collecting = {
    put: async (cid: CID, block: Uint8Array) => {
      blocks.set(cidText(cid.toString()), block)
      return cid
    },
  }
  const files = unixfs({ blockstore: collecting as unknown as Blockstore })
  const cid = await files.addBytes(writeParameterFile(theta, table), unixfsFileOptions)
  return { cid: cidText(cid.toString()), blocks }
}

/** Blocks asked for at once; the exporter that reads the file takes this beside its own options. */
const reading = { offline: false, blockReadConcurrency: 4 }
/** A leaf of a file; its nodes are shorter (`unixfs-file.ts`). */
const leafBytes = 1_048_576
/** What a header takes at most for one tensor: its name, its shape and its place. */
const headerBytesPerTensor = 1024

/**
 * The file's bytes, part by part; every block is checked against its CID. What is longer than `maxBytes` is refused
 * before more of it is fetched.
 * @throws MurmurError WEIGHTS_UNFIT (exit `verification`), or what `fetch` throws.
 */
export async function* weightsParts(
  cid: CidText,
  maxBytes: number,
  fetch: FetchBlockByCid,
): AsyncGenerator<Uint8Array> {
  let fetched = 0
  const fetching = {
    get: async function* (wanted: CID) {
      const block = cidText(wanted.toString())
      const bytes = await fetch(block, leafBytes)
      if (bytes.length > leafBytes || !matchesCid(block, bytes))
        throw unfit(cid, `other bytes came than its block ${block} names`)
      fetched += bytes.length
      // Nodes are 1/20,000 of what they hold together.
      if (fetched > maxBytes + leafBytes) throw unfit(cid, 'it is longer than the parameters of the run')
      yield bytes
    },
  }
  const files = unixfs({ blockstore: fetching as unknown as Blockstore })
  let length = 0
  try {
    for await (const part of files.cat(CID.parse(cid), reading)) {
      length += part.length
      if (length > maxBytes) throw unfit(cid, 'it is longer than the parameters of the run')
      yield part
    }
  } catch (cause) {
    if (cause instanceof MurmurError) throw cause
    throw unfit(cid, cause instanceof Error ? cause.message : 'it cannot be read', cause)
  }
}

/**
 * Brings the weights of a table here, in its order.
 * @throws MurmurError WEIGHTS_UNFIT (exit `verification`), SAFETENSORS_MALFORMED, CHECKPOINT_MISMATCH, or what `fetch`
 * throws.
 */
export async function fetchWeights(
  cid: CidText,
  table: readonly ParameterPlace[],
  fetch: FetchBlockByCid,
): Promise<Float32Array> {
  const elements = table.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const maxBytes = Math.min(maxStateBlockBytes, 4 * elements + headerBytesPerTensor * (table.length + 1))
  const parts: Uint8Array[] = []
  for await (const part of weightsParts(cid, maxBytes, fetch)) parts.push(part)
  const theta = readParameterFile(Buffer.concat(parts), table)
  if (!theta.every(Number.isFinite)) throw unfit(cid, 'it holds values that are not finite numbers')
  return theta
}

function unfit(cid: CidText, why: string, cause?: unknown): MurmurError {
  return new MurmurError('WEIGHTS_UNFIT', {
    message: `the initial weights ${cid} are refused: ${why.slice(0, 200)}`,
    next: 'submit the run again with the weights that belong to its model',
    exit: 'verification',
    cause,
  })
}
