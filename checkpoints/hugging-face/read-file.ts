import { readFile, stat } from 'node:fs/promises'
import { MurmurError } from '../../protocol/errors.ts'

/** @throws MurmurError PRETRAINED_UNREADABLE (exit `usage`): it is not there, or longer than `maxBytes`. */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new Error(`${size} bytes, at most ${maxBytes}`)
    return await readFile(path)
  } catch (cause) {
    throw new MurmurError('PRETRAINED_UNREADABLE', {
      message: `cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`,
      next: 'name a folder that transformers wrote with save_pretrained, as safetensors',
      exit: 'usage',
      cause,
    })
  }
}

/** The value of a JSON file; undefined where it holds no JSON. */
export function jsonIn(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
