import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { type FetchBlockByCid, storedFile } from '../checkpoints/stored-file.ts'
import { decodeOnnx } from '../program/import/decode-onnx.ts'
import type { ExternalData } from '../program/import/foreign-model.ts'
import { type ImportedModel, type ImportOptions, importModel } from '../program/import/import-model.ts'
import { parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { maxStateBlockBytes } from '../protocol/limits.ts'
import { isCid } from './starting-point.ts'

/**
 * Reads an ONNX file, and what it keeps in files beside it; or one that the cluster has, by its CID, which keeps all in
 * itself.
 * @throws MurmurError ONNX_UNREADABLE, ONNX_MALFORMED, ONNX_UNSUPPORTED, CID_INVALID (exit `usage`), or what `fetch`
 * throws.
 */
export async function importOnnx(
  place: string,
  options: ImportOptions,
  fetch?: FetchBlockByCid,
): Promise<ImportedModel> {
  if (isCid(place)) return importModel(decodeOnnx(await storedOnnx(place, fetch)), options)
  return await importOnnxFile(place, options)
}

async function storedOnnx(text: string, fetch: FetchBlockByCid | undefined): Promise<Uint8Array> {
  const cid = parseCid(text)
  if (fetch === undefined) throw unreadable(cid, 'there is no cluster to fetch it from')
  const parts: Uint8Array[] = []
  const refuse = (why: string, cause?: unknown) => unreadable(cid, cause ?? why)
  for await (const part of storedFile(cid, { maxBytes: maxStateBlockBytes, fetch, refuse })) parts.push(part)
  return Buffer.concat(parts)
}

async function importOnnxFile(file: string, options: ImportOptions): Promise<ImportedModel> {
  let bytes: Uint8Array
  try {
    const { size } = await stat(file)
    if (size > maxStateBlockBytes) throw new Error(`it has ${size} bytes, the limit is ${maxStateBlockBytes}`)
    bytes = await readFile(file)
  } catch (cause) {
    throw unreadable(file, cause)
  }
  return importModel(decodeOnnx(bytes, besideOf(file)), options)
}

/** Parts of files in the folder of a model, links that lead out of it excepted. */
function besideOf(file: string): ExternalData {
  return (location, offset, length) => {
    const folder = realpathSync(path.dirname(file))
    const wanted = path.join(folder, location)
    let descriptor: number | undefined
    try {
      const real = realpathSync(wanted)
      if (!real.startsWith(folder + path.sep)) throw new Error('it leads out of the folder of the model')
      const { size } = statSync(real)
      if (offset + length > size) throw new Error(`it has ${size} bytes, ${offset + length} are needed`)
      descriptor = openSync(real, 'r')
      const bytes = new Uint8Array(length)
      let read = 0
      while (read < length) {
        const more = readSync(descriptor, bytes, read, length - read, offset + read)
        if (more === 0) throw new Error('it became shorter while it was read')
        read += more
      }
      return bytes
    } catch (cause) {
      throw unreadable(wanted, cause)
    } finally {
      if (descriptor !== undefined) closeSync(descriptor)
    }
  }
}

function unreadable(file: string, cause: unknown): MurmurError {
  return new MurmurError('ONNX_UNREADABLE', {
    message: `cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`,
    next: 'give the path of an ONNX file, with the files beside it that it was exported with, or the CID of one that the cluster has',
    exit: 'usage',
    cause,
  })
}
