import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import type { ChainConfig } from '../chain/escrow.ts'
import { writeDurably } from '../checkpoints/durable-file.ts'
import { MurmurError } from '../protocol/errors.ts'

/** Where a cluster keeps its state: `--home`, else $MURMUR_HOME, else the XDG state folder. */
export function homeFolder(option: string | undefined, name = 'default'): string {
  if (option !== undefined) return path.resolve(option)
  if (process.env.MURMUR_HOME) return path.resolve(process.env.MURMUR_HOME)
  const state = process.env.XDG_STATE_HOME || path.join(homedir(), '.local', 'state')
  return path.join(state, 'murmur', name)
}

export const headFolder = (home: string): string => path.join(home, 'head')
export const workerFolder = (home: string, name: string): string => path.join(home, name)

/** What a running head tells the command line of its host. */
export interface HeadReady {
  readonly pid: number
  readonly apiUrl: string
  readonly addresses: readonly string[]
  readonly chain: ChainConfig | null
  /** True when the chain is the embedded devnet, whose accounts everybody knows. */
  readonly devnet: boolean
}

const readyFile = (home: string): string => path.join(headFolder(home), 'ready.json')

export async function writeReady(home: string, ready: HeadReady): Promise<void> {
  await writeJson(readyFile(home), ready)
}

export async function readReady(home: string): Promise<HeadReady | undefined> {
  const ready = await readJson<HeadReady>(readyFile(home))
  return ready !== undefined && isAlive(ready.pid) ? ready : undefined
}

/** @throws MurmurError HEAD_NOT_RUNNING (exit `unreachable`) */
export async function requireReady(home: string): Promise<HeadReady> {
  const ready = await readReady(home)
  if (ready !== undefined) return ready
  throw new MurmurError('HEAD_NOT_RUNNING', {
    message: `no head is running with its state in ${home}`,
    next: 'start one with `murmur up` or `murmur start --head`, or name its folder with --home',
    exit: 'unreachable',
  })
}

/** The API's bearer token: made once, readable by its owner only. */
export const apiToken = (home: string): Promise<string> => secret(home, 'api.token')

/**
 * What heads of one cluster present to each other: whoever has it can read the journal and lead. Made once, readable by its
 * owner only; a standby is given that of the head it follows, and keeps it.
 */
export const headToken = (home: string, given?: string): Promise<string> => secret(home, 'heads.token', given)

async function secret(home: string, name: string, given?: string): Promise<string> {
  const file = path.join(headFolder(home), name)
  const kept = given === undefined ? await readFile(file, 'utf8').catch(() => '') : ''
  if (kept.trim() !== '') return kept.trim()
  const made = given ?? randomBytes(24).toString('base64url')
  await mkdir(headFolder(home), { recursive: true })
  await writeFile(file, `${made}\n`, { mode: 0o600 })
  return made
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeDurably(file, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`))
}

export async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch {
    return undefined
  }
}

/** Whether a process with this id exists. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
