import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { explain, maxDataBytes, refused } from './open-file.ts'
import { readText, tooLarge } from './read-text.ts'
import type { Table } from './table.ts'

/** Documents, one after the other; reading them again gives the same. */
export interface Texts {
  /** What they are, for messages. */
  readonly name: string
  read(visit: (text: Uint8Array) => void): Promise<void>
}

/** Between two documents. */
const separator = Buffer.from('\n\n')

/**
 * All documents in one, a blank line between two. They are read twice, so that memory holds them once.
 * @throws MurmurError DATA_TOO_LARGE | DATA_EMPTY, and what reading throws.
 */
export async function joined(texts: Texts, maxBytes: number = maxDataBytes): Promise<Uint8Array> {
  let length = 0
  await texts.read((text) => {
    length += text.length + (length > 0 ? separator.length : 0)
    if (length > maxBytes) throw tooLarge(texts.name, length, maxBytes)
  })
  if (length === 0) throw refused('DATA_EMPTY', `${texts.name} holds no text`, 'name data with text in it')
  const whole = new Uint8Array(length)
  let at = 0
  await texts.read((text) => {
    const start = at > 0 ? at + separator.length : 0
    if (start + text.length > length) throw changed(texts.name)
    if (at > 0) whole.set(separator, at)
    whole.set(text, start)
    at = start + text.length
  })
  if (at !== length) throw changed(texts.name)
  return whole
}

const changed = (name: string) =>
  refused('DATA_CHANGED', `${name} changed while it was read`, 'run it again when nothing writes to it')

/** Files of one folder that are read at most. */
const maxFiles = 100_000

/**
 * The files directly in a folder, in the order of their names, hidden ones and folders left out.
 * @throws MurmurError DATA_MISSING | DATA_UNREADABLE | DATA_EMPTY | DATA_TOO_LARGE; DATA_NOT_TEXT for a file with a NUL.
 */
export async function folderTexts(folder: string): Promise<Texts> {
  let names: string[]
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
  } catch (error) {
    throw explain(folder, error)
  }
  if (names.length === 0)
    throw refused('DATA_EMPTY', `${folder} has no files`, 'name a folder with text files in it')
  if (names.length > maxFiles)
    throw refused('DATA_TOO_LARGE', `${folder} has ${names.length} files, over ${maxFiles}`, 'join some')
  // By code unit, which does not depend on the host's language.
  names.sort()
  return {
    name: folder,
    async read(visit) {
      for (const name of names) {
        const file = path.join(folder, name)
        const text = await readText(file)
        if (text.includes(0))
          throw refused('DATA_NOT_TEXT', `${file} is not text`, 'keep only text files in the folder')
        visit(text)
      }
    },
  }
}

/** One column of a table, a document a row. Throws DATA_VALUE_INVALID for a cell that is no text. */
export function columnTexts(table: Table, column: string): Texts {
  const encoder = new TextEncoder()
  return {
    name: table.name,
    read: (visit) =>
      table.read([column], ([cell], row) => {
        if (typeof cell !== 'string') throw table.invalid(row, column, cell, 'text')
        visit(encoder.encode(cell))
      }),
  }
}
