import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'

/** With those kept, 50 MiB a node: days of a busy one, weeks of a quiet one. */
const rotateAtBytes = 10 * 2 ** 20
const keptFiles = 4

/**
 * A log file that the process itself rotates: `<role>.log`, then `<role>.log.1` to `.4`. Each line is written before the
 * call returns, so that the last words before a crash are there and in order. A full disk costs lines, never the node.
 * @throws when the file cannot be opened at first
 */
export function openLogFile(file: string, maxBytes = rotateAtBytes): (line: string) => void {
  mkdirSync(path.dirname(file), { recursive: true })
  let descriptor = openSync(file, 'a', 0o600)
  let bytes = fstatSync(descriptor).size
  const rotate = () => {
    for (let age = keptFiles; age > 0; age--) {
      try {
        renameSync(age === 1 ? file : `${file}.${age - 1}`, `${file}.${age}`)
      } catch {
        // There are not that many yet.
      }
    }
    const next = openSync(file, 'a', 0o600)
    closeSync(descriptor)
    descriptor = next
    bytes = fstatSync(descriptor).size
  }
  return (line) => {
    try {
      const encoded = Buffer.from(line)
      if (bytes > 0 && bytes + encoded.length > maxBytes) rotate()
      bytes += writeSync(descriptor, encoded)
    } catch {
      // Nobody is left to tell.
    }
  }
}
