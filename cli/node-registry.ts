import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { MurmurError } from '../protocol/errors.ts'
import { readJson, writeJson } from './home.ts'
import { processIdentity } from './process-identity.ts'

/** A node of this home, as its own process tells it in `<home>/nodes/<role>.json`. */
export interface NodeRecord {
  readonly pid: number
  /** `head`, or the name of a worker. */
  readonly role: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Tells this process from a later one with the same id. */
  readonly identity: string
  /** `ready`: a head that answers, a worker that has joined or waits for its schedule; `failed`: it ended at its start. */
  readonly state: 'starting' | 'ready' | 'failed'
  readonly failure?: NodeFailure
}

export interface NodeFailure {
  readonly code: string
  readonly message: string
  readonly next: string
  readonly exit: MurmurError['exit']
}

const folderOf = (home: string): string => path.join(home, 'nodes')
const fileOf = (home: string, role: string): string => path.join(folderOf(home), `${role}.json`)

/** The node that runs with this role in this home; undefined when none does. */
export async function runningNode(home: string, role: string): Promise<NodeRecord | undefined> {
  const record = await readNodeRecord(home, role)
  return record !== undefined && (await isRunning(record)) ? record : undefined
}

/** What the node of this role last told, whether it runs or not. */
export async function readNodeRecord(home: string, role: string): Promise<NodeRecord | undefined> {
  const record = await readJson<Partial<NodeRecord> | null>(fileOf(home, role))
  if (typeof record !== 'object' || record === null) return undefined
  const { pid, identity } = record
  if (!Number.isSafeInteger(pid) || pid! <= 0 || typeof identity !== 'string') return undefined
  return { ...record, role } as NodeRecord
}

/** Every node of this home that runs, whoever started it, by role. */
export async function runningNodes(home: string): Promise<readonly NodeRecord[]> {
  const names = await readdir(folderOf(home)).catch(() => [])
  const roles = names.flatMap((name) => (/^[^.].*\.json$/.test(name) ? [name.slice(0, -5)] : []))
  const records = await Promise.all(roles.sort().map((role) => runningNode(home, role)))
  return records.filter((record) => record !== undefined)
}

/** Whether the process that a record speaks of still runs: not gone, not another with the same id. */
export async function isRunning({ pid, identity }: NodeRecord): Promise<boolean> {
  return (await processIdentity(pid)) === identity
}

/** Records durably what this process is. */
export async function recordNode(
  home: string,
  role: string,
  told: Pick<NodeRecord, 'state' | 'failure'>,
): Promise<void> {
  const { pid } = process
  const identity = (await processIdentity(pid)) ?? 'unknown'
  const before = await readNodeRecord(home, role)
  const startedAt = before?.identity === identity ? before.startedAt : Date.now()
  await writeJson(fileOf(home, role), { pid, role, startedAt, identity, ...told })
}

/** Forgets the node of a role, unless another process has the role by now. */
export async function forgetNode(home: string, role: string, pid: number): Promise<void> {
  if ((await readNodeRecord(home, role))?.pid === pid) await rm(fileOf(home, role), { force: true })
}

/** Takes a role in this home for this process. @throws MurmurError HEAD_RUNNING, WORKER_RUNNING */
export async function takeRole(home: string, role: string): Promise<void> {
  await refuseTakenRole(home, role)
  await recordNode(home, role, { state: 'starting' })
}

/**
 * Two nodes with one folder would share a key and a store.
 * @throws MurmurError HEAD_RUNNING, WORKER_RUNNING
 */
export async function refuseTakenRole(home: string, role: string): Promise<void> {
  const other = await runningNode(home, role)
  if (other !== undefined && other.pid !== process.pid) {
    throw new MurmurError(role === 'head' ? 'HEAD_RUNNING' : 'WORKER_RUNNING', {
      message: `${role === 'head' ? 'a head' : `the worker ${role}`} with its state in ${home} is running already, as process ${other.pid}`,
      next:
        role === 'head'
          ? 'stop it with `murmur stop`, or choose another folder with --home'
          : 'stop it with `murmur stop`, or start another with --name',
    })
  }
}
