import { readdir, readFile, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { floatBytes, floatsOf } from '../../aggregation/float-bytes.ts'
import { writeDurably } from '../../checkpoints/durable-file.ts'
import { type Cell, keyOf } from './cell.ts'
import { decodeFinished, type Finished } from './finished.ts'
import type { Point, Progress } from './train-cell.ts'

/** Where this machine keeps what it has trained, through or not, when no folder is named: it outlives a checkout. */
export const defaultFolder = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'murmuration', 'convergence')

const finishedPath = (folder: string, cell: Cell) => join(folder, `${keyOf(cell)}.json`)
const progressPath = (folder: string, cell: Cell) => join(folder, `${keyOf(cell)}.part`)

export async function readFinished(folder: string, cell: Cell): Promise<Finished | null> {
  const path = finishedPath(folder, cell)
  const text = await readIfThere(path)
  return text === null ? null : decodeFinished(text.toString('utf8'), path)
}

/** All that lie in the folder, of whichever plan. */
export async function readAllFinished(folder: string): Promise<Finished[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const paths = names.sort().map((name) => join(folder, name))
  return Promise.all(paths.map(async (path) => decodeFinished(await readFile(path, 'utf8'), path)))
}

export async function writeFinished(folder: string, finished: Finished): Promise<void> {
  const text = `${JSON.stringify(finished)}\n`
  await writeDurably(finishedPath(folder, finished.cell), Buffer.from(text, 'utf8'))
  await rm(progressPath(folder, finished.cell), { force: true })
}

interface Header {
  readonly step: number
  readonly curve: readonly Point[]
  readonly bytes: number
  /** Absent where the file is from before it was counted. */
  readonly upBytes?: number
  readonly rounds: number
  readonly count: number
  readonly moments: number
  /** How many θ of before there are; absent where the file is from before there were any. */
  readonly befores?: number
  readonly replicaSteps: readonly number[]
}

/** A line of JSON, then the vectors: θ, outer momentum, θ of before, and of each replica its parameters, moments and residual. */
export async function writeProgress(
  folder: string,
  cell: Cell,
  { step, curve, flock }: Progress,
): Promise<void> {
  const { theta, outerMomentum, before, replicas, bytes, upBytes, rounds } = flock
  const header: Header = {
    ...{ step, curve, bytes, upBytes, rounds },
    count: theta.length,
    moments: replicas[0]!.optimizer.length,
    befores: before.length,
    replicaSteps: replicas.map((replica) => replica.step),
  }
  const vectors = replicas.flatMap(({ params, optimizer, residual }) => [params, ...optimizer, residual])
  const parts = [theta, outerMomentum, ...before, ...vectors].map(floatBytes)
  await writeDurably(
    progressPath(folder, cell),
    Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...parts]),
  )
}

export async function readProgress(folder: string, cell: Cell): Promise<Progress | null> {
  const file = await readIfThere(progressPath(folder, cell))
  if (file === null) return null
  const line = file.indexOf('\n')
  const vectors = new Uint8Array(file.subarray(line + 1))
  const { step, curve, bytes, upBytes, rounds, count, moments, befores, replicaSteps } = JSON.parse(
    file.toString('utf8', 0, line),
  ) as Header
  let offset = 0
  const vector = (): Float32Array => {
    offset += count * 4
    return floatsOf(vectors.subarray(offset - count * 4, offset))
  }
  const [theta, outerMomentum] = [vector(), vector()]
  const before = Array.from({ length: befores ?? 0 }, vector)
  const replicas = replicaSteps.map((own) => ({
    params: vector(),
    optimizer: Array.from({ length: moments }, vector),
    step: own,
    residual: vector(),
  }))
  const up = upBytes ?? bytes / replicas.length
  return { step, curve, flock: { theta, outerMomentum, before, replicas, bytes, upBytes: up, rounds } }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw cause
  })
}
