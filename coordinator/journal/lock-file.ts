import { execFile } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { MurmurError } from '../../protocol/errors.ts'

export interface Lock {
  release(): Promise<void>
}

/** Locks that this process holds: one process must not open a journal twice either. */
const held = new Set<string>()

/**
 * Makes sure that no other live process holds `path`. Each contender first puts down a file that is named after its own
 * process, then looks for others: of two that come at once, at least one sees the other and withdraws. A name holds the
 * process id and when that process started, so that a file left behind by a killed one is known as stale, even when its
 * id has been given away again, and can be removed without taking anybody else's.
 * Processes must see each other: heads in several containers must not share one folder.
 * @throws MurmurError JOURNAL_LOCKED
 */
export async function lockFile(path: string): Promise<Lock> {
  const prefix = `${basename(path)}.lock-`
  const own = `${prefix}${process.pid}-${await startOf(process.pid)}`
  const place = (name: string) => join(dirname(path), name)
  if (held.has(place(own))) throw locked(path, process.pid)
  held.add(place(own))
  const release = async () => {
    held.delete(place(own))
    await rm(place(own), { force: true })
  }
  await writeFile(place(own), '')
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix) || name === own) continue
    const [pid, start] = name.slice(prefix.length).split(/-(.*)/)
    if (start !== undefined && (await startOf(Number(pid))) === start) {
      await release()
      throw locked(path, Number(pid))
    }
    await rm(place(name), { force: true })
  }
  return { release }
}

/** When a live process began, as text for a file name; null when there is no such process. */
async function startOf(pid: number): Promise<string | null> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  try {
    if (process.platform !== 'linux') {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], {
        timeout: 5_000,
      })
      return stdout.trim().replaceAll(/[^\w]+/g, '.') || null
    }
    // proc_pid_stat(5): the command may hold brackets; what follows its last one begins with field 3, the state.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : `${fields[19]}-${boot.trim().slice(0, 8)}`
  } catch {
    return null
  }
}

function locked(path: string, pid: number): MurmurError {
  return new MurmurError('JOURNAL_LOCKED', {
    message: `the journal ${path} is in use by process ${pid}`,
    next: 'stop that head first (`murmur stop`), or give this one a state folder of its own',
    exit: 'usage',
    details: { pid },
  })
}
