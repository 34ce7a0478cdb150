import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** `ps` answers at once; a host on which it does not has other troubles. */
const psTimeoutMs = 5_000

/**
 * What tells a process from a later one that was given the same id: when it was started, of which boot. Null when there is
 * no such process, or nothing but a zombie is left of it.
 */
export async function processIdentity(pid: number): Promise<string | null> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null
  return process.platform === 'linux' ? await fromProc(pid) : await fromPs(pid)
}

/** proc_pid_stat(5): field 3 is the state, field 22 the start in clock ticks since the boot. */
async function fromProc(pid: number): Promise<string | null> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ])
    // Field 2, the command, may hold spaces and brackets: what follows its last bracket starts with field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : `${boot.trim()}/${fields[19]}`
  } catch {
    return null
  }
}

async function fromPs(pid: number): Promise<string | null> {
  try {
    const args = ['-o', 'lstart=,stat=', '-p', String(pid)]
    const { stdout } = await promisify(execFile)('ps', args, { timeout: psTimeoutMs })
    const [, started, state = 'Z'] = /^(.*\d)\s+(\S+)\s*$/.exec(stdout.trim()) ?? []
    return started === undefined || state.startsWith('Z') ? null : started
  } catch {
    return null
  }
}
