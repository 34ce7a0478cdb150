import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MurmurError } from '../protocol/errors.ts'
import { glibcTunables } from './allocator.cjs'
import { type NodeRecord, readNodeRecord } from './node-registry.ts'

const main = path.join(import.meta.dirname, 'murmur.cjs')
/** Far above what a cold start takes on a busy host; a worker gives up its first join sooner by itself. */
const readyTimeoutMs = 60_000
const pollMs = 25

export const logFileOf = (home: string, role: string): string => path.join(home, 'logs', `${role}.log`)
/** What a process says that cannot write its log: native code that crashes, a Node that does not start. */
const crashFileOf = (home: string, role: string): string => path.join(home, 'logs', `${role}.crash`)

export interface NodeSpawn {
  readonly home: string
  readonly role: string
  /** Of `murmur`, from the verb on. */
  readonly args: readonly string[]
  /** Detached processes outlive the command; attached ones end with it, even when it is killed. */
  readonly detached: boolean
  /** Instead of the one in the home's logs. */
  readonly logFile?: string
}

/** What a node is started with: huge pages, and memory that stays with it. Others than glibc pass it over. */
export const nodeEnvironment = (own: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  GLIBC_TUNABLES: glibcTunables(),
  ...own,
  NODE_NO_WARNINGS: '1',
})

/** Starts a node as a process of its own that writes its log into `<home>/logs`. */
export function spawnNode({ home, role, args, detached, logFile }: NodeSpawn): ChildProcess {
  mkdirSync(path.join(home, 'logs'), { recursive: true })
  const crashFile = openSync(crashFileOf(home, role), 'w', 0o600)
  try {
    const log = ['--log-file', logFile ?? logFileOf(home, role)]
    const child = spawn(process.execPath, [main, ...args, ...log], {
      detached,
      // The channel tells an attached child that its parent is gone, even when the parent was killed.
      stdio: detached ? ['ignore', crashFile, crashFile] : ['ignore', crashFile, crashFile, 'ipc'],
      env: nodeEnvironment(process.env),
    })
    if (detached) child.unref()
    return child
  } finally {
    closeSync(crashFile)
  }
}

/**
 * Waits until a spawned node has recorded itself, or is ready.
 * @throws what ended the node, or MurmurError NODE_DIED, NODE_NOT_READY
 */
export async function untilNode(
  { home, role, logFile = logFileOf(home, role) }: NodeSpawn,
  child: ChildProcess,
  wanted: 'recorded' | 'ready',
  signal: AbortSignal,
): Promise<NodeRecord> {
  const deadline = performance.now() + readyTimeoutMs
  while (performance.now() < deadline) {
    signal.throwIfAborted()
    // In this order: what it told before it ended is there once it has ended.
    const ended = child.exitCode !== null || child.signalCode !== null
    const record = await readNodeRecord(home, role)
    const own = record?.pid === child.pid ? record : undefined
    if (own?.failure !== undefined) throw new MurmurError(own.failure.code, own.failure)
    if (ended) throw await died(home, role, logFile, child)
    if (own?.state === 'ready' || (own !== undefined && wanted === 'recorded')) return own
    await sleep(pollMs, undefined, { signal })
  }
  throw new MurmurError('NODE_NOT_READY', {
    message: `${role} was not ready within ${readyTimeoutMs / 1000} s: ${await lastLine(logFile)}`,
    next: `look at ${logFile}`,
    exit: 'timeout',
  })
}

async function died(home: string, role: string, logFile: string, child: ChildProcess): Promise<MurmurError> {
  const why = (await lastLine(crashFileOf(home, role))) || (await lastLine(logFile))
  return new MurmurError('NODE_DIED', {
    message: `${role} ended at its start with ${child.signalCode ?? child.exitCode}: ${why || 'it said nothing'}`,
    next: `look at ${logFile}`,
  })
}

async function lastLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return (text.trimEnd().split('\n').at(-1) ?? '').slice(0, 400)
}
