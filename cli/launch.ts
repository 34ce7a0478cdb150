import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MurmurError } from '../protocol/errors.ts'
import { type HeadReady, isAlive, readJson, readReady, writeJson } from './home.ts'

const main = path.join(import.meta.dirname, 'main.ts')
const readyTimeoutMs = 60_000
/** How long processes may take to end by themselves: a head stops its chain, which writes its state. */
const stopTimeoutMs = 20_000

export interface ClusterLaunch {
  readonly home: string
  readonly workers: number
  /** Detached processes outlive the command; attached ones end with it, even when it is killed. */
  readonly detached: boolean
}

export interface Cluster {
  readonly ready: HeadReady
  readonly processes: readonly ClusterProcess[]
  /** Adds a worker to the cluster. */
  addWorker(): Promise<ClusterProcess>
  stop(): Promise<void>
}

export interface ClusterProcess {
  readonly role: string
  readonly pid: number
}

const processesFile = (home: string): string => path.join(home, 'processes.json')

/**
 * Starts a local cluster as separate processes: a head with devnet, then workers that know nothing but its address.
 * @throws MurmurError CLUSTER_RUNNING, NODE_DIED, HEAD_NOT_READY
 */
export async function launchCluster(options: ClusterLaunch, signal: AbortSignal): Promise<Cluster> {
  const { home, workers, detached } = options
  if ((await livingProcesses(home)).length > 0) {
    throw new MurmurError('CLUSTER_RUNNING', {
      message: `a cluster with its state in ${home} is running already`,
      next: 'stop it with `murmur down`, or choose another folder with --home',
    })
  }
  const children: { role: string; child: ChildProcess }[] = []
  const record = () =>
    writeJson(
      processesFile(home),
      children.map(({ role, child }) => ({ role, pid: child.pid })),
    )
  const start = async (role: string, args: readonly string[]): Promise<ClusterProcess> => {
    const child = spawnNode(home, role, args, detached)
    children.push({ role, child })
    await record()
    return { role, pid: child.pid! }
  }
  const stop = () => endProcesses(children.map(({ role, child }) => ({ role, pid: child.pid! })))
  try {
    await start('head', [
      'start',
      '--head',
      '--devnet',
      '--home',
      home,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--api-port',
      '0',
    ])
    const ready = await waitForHead(home, children[0]!.child, signal)
    const addWorker = () => {
      const index = children.length
      return start(`worker-${index}`, [
        'start',
        '--address',
        ready.addresses[0]!,
        '--home',
        home,
        '--name',
        `worker-${index}`,
        '--dev-account',
        String(9 + index),
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
      ])
    }
    for (let index = 0; index < workers; index++) await addWorker()
    return {
      ready,
      addWorker,
      stop,
      get processes() {
        return children.map(({ role, child }) => ({ role, pid: child.pid! }))
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function spawnNode(home: string, role: string, args: readonly string[], detached: boolean): ChildProcess {
  const folder = path.join(home, 'logs')
  mkdirSync(folder, { recursive: true })
  const logFile = openSync(path.join(folder, `${role}.log`), 'a')
  const child = spawn(process.execPath, [main, ...args], {
    detached,
    // The channel tells an attached child that its parent is gone, even when the parent was killed.
    stdio: detached ? ['ignore', logFile, logFile] : ['ignore', logFile, logFile, 'ipc'],
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  if (detached) child.unref()
  return child
}

async function waitForHead(home: string, child: ChildProcess, signal: AbortSignal): Promise<HeadReady> {
  const deadline = Date.now() + readyTimeoutMs
  while (Date.now() < deadline) {
    signal.throwIfAborted()
    const ready = await readReady(home)
    if (ready !== undefined && ready.pid === child.pid) return ready
    if (child.exitCode !== null) throw await headFailed(home)
    await sleep(50, undefined, { signal })
  }
  throw new MurmurError('HEAD_NOT_READY', {
    message: `the head was not ready within ${readyTimeoutMs / 1000} s`,
    next: `look at ${path.join(home, 'logs', 'head.log')}`,
    exit: 'timeout',
  })
}

async function headFailed(home: string): Promise<MurmurError> {
  const file = path.join(home, 'logs', 'head.log')
  const lines = (await readFile(file, 'utf8').catch(() => '')).trim().split('\n')
  return new MurmurError('NODE_DIED', {
    message: `the head ended at its start: ${lines.slice(-2).join(' ').slice(0, 400)}`,
    next: `look at ${file}`,
  })
}

/** Processes of an earlier launch in this home that still exist and are ours. */
export async function livingProcesses(home: string): Promise<readonly ClusterProcess[]> {
  const recorded = await readJson<unknown>(processesFile(home))
  const alive: ClusterProcess[] = []
  for (const entry of Array.isArray(recorded) ? (recorded as (ClusterProcess | null)[]) : []) {
    const pid = entry?.pid
    if (!Number.isInteger(pid) || pid! <= 0) continue
    if (isAlive(pid!) && (await isOurs(pid!))) alive.push(entry!)
  }
  return alive
}

/** A process id may have been given to somebody else since: only a process that runs this program is ended. */
async function isOurs(pid: number): Promise<boolean> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(main)
  } catch {
    return process.platform !== 'linux'
  }
}

/** Asks processes to end, workers first, and kills those that do not. */
export async function endProcesses(processes: readonly ClusterProcess[]): Promise<void> {
  const workers = processes.filter(({ role }) => role !== 'head')
  for (const group of [workers, processes.filter(({ role }) => role === 'head')]) {
    for (const { pid } of group) signalProcess(pid, 'SIGTERM')
    const deadline = Date.now() + stopTimeoutMs
    while (group.some(({ pid }) => isAlive(pid)) && Date.now() < deadline) await sleep(50)
    for (const { pid } of group) if (isAlive(pid)) signalProcess(pid, 'SIGKILL')
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Already gone.
  }
}
