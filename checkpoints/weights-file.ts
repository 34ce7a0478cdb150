import { maskedScore } from '../program/import/masks.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import { fileBlocks } from './file-blocks.ts'
import {
  movingCountOf,
  type ParameterPlace,
  readParameterFile,
  writeParameterFile,
} from './parameter-file.ts'
import { type FetchBlockByCid, storedFile } from './stored-file.ts'
import { parameterFileOptions, splitAtFrozen } from './unixfs-file.ts'

/*
 * Weights that a run starts from: a parameter file like a checkpoint's, as blocks that anyone can fetch. `ipfs cat` of
 * its CID is the safetensors file.
 */

export interface WeightsFile {
  readonly cid: CidText
  readonly blocks: ReadonlyMap<CidText, Uint8Array>
}

/** The flat vector as the blocks of a parameter file; `theta` is in the order of `table`. */
export async function writeWeightsFile(
  theta: Float32Array,
  table: readonly ParameterPlace[],
): Promise<WeightsFile> {
  const blocks = new Map<CidText, Uint8Array>()
  const frozenBytes = 4 * (theta.length - movingCountOf(table, theta.length))
  const parts = splitAtFrozen(writeParameterFile(theta, table), frozenBytes)
  const keep = async (cid: CidText, block: Uint8Array) => void blocks.set(cid, block)
  return { cid: await fileBlocks(parts, keep, parameterFileOptions), blocks }
}

/** What a header takes at most for one tensor: its name, its shape and its place. */
const headerBytesPerTensor = 1024

/**
 * The file's bytes, part by part; every block is checked against its CID. What is longer than `maxBytes` is refused
 * before more of it is fetched.
 * @throws MurmurError WEIGHTS_UNFIT (exit `verification`), or what `fetch` throws.
 */
export const weightsParts = (
  cid: CidText,
  maxBytes: number,
  fetch: FetchBlockByCid,
): AsyncGenerator<Uint8Array> =>
  storedFile(cid, { maxBytes, fetch, refuse: (why, cause) => unfit(cid, why, cause) })

/**
 * Brings the weights of a table here, in its order. In what is frozen, −∞ becomes the number that the import of a mask
 * has for it: a module's own file holds its masks as they were.
 * @param read makes them of the file, which by default holds the table and nothing else
 * @throws MurmurError WEIGHTS_UNFIT (exit `verification`), SAFETENSORS_MALFORMED, CHECKPOINT_MISMATCH, or what `fetch`
 * throws.
 */
export async function fetchWeights(
  cid: CidText,
  table: readonly ParameterPlace[],
  fetch: FetchBlockByCid,
  read: (file: Uint8Array) => Float32Array = (file) => readParameterFile(file, table),
): Promise<Float32Array> {
  const elements = table.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const maxBytes = Math.min(maxStateBlockBytes, 4 * elements + headerBytesPerTensor * (table.length + 1))
  const parts: Uint8Array[] = []
  for await (const part of weightsParts(cid, maxBytes, fetch)) parts.push(part)
  const theta = read(Buffer.concat(parts))
  for (const { name, shape, offset, role } of table) {
    const values = theta.subarray(offset, offset + shape.reduce((a, b) => a * b, 1))
    if (role === 'frozen') makeFinite(values)
    const stray = values.find((value) => !Number.isFinite(value))
    if (stray !== undefined) throw unfit(cid, `${JSON.stringify(name.slice(0, 100))} holds ${stray}`)
  }
  return theta
}

/** In place. */
function makeFinite(mask: Float32Array): void {
  for (
    let at = mask.indexOf(Number.NEGATIVE_INFINITY);
    at >= 0;
    at = mask.indexOf(Number.NEGATIVE_INFINITY, at)
  )
    mask[at] = maskedScore
}

function unfit(cid: CidText, why: string, cause?: unknown): MurmurError {
  return new MurmurError('WEIGHTS_UNFIT', {
    message: `the initial weights ${cid} are refused: ${why.slice(0, 200)}`,
    next: 'submit the run again with the weights that belong to its model',
    exit: 'verification',
    cause,
  })
}
