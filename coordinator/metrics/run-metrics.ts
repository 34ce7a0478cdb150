import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises'
import path from 'node:path'
import { errorText } from '../../protocol/errors.ts'
import type { RunId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/ports.ts'
import type { MetricLine } from '../api/schemas.ts'
import type { ClusterEvent, EventFeed } from '../events.ts'
import { fileVersionRecord, scalarRecord } from './tfevents.ts'

export interface RunMetricsOptions {
  /** `<folder>/<run>/metrics.jsonl` and TensorBoard's event files beside it. */
  readonly folder: string
}

export interface RunMetricsDependencies {
  readonly events: EventFeed
  readonly clock: Clock
  log(code: string, text: string): void
}

/** Ten thousand rounds with an evaluation each; a line takes about 250 bytes. */
const maxLines = 20_000
const maxOpenRuns = 64

interface RunFile {
  readonly jsonl: string
  readonly tensorBoard: string
  lines: number
  /** Rounds at or before it are in the file already: a head that starts again tells them again. */
  newestStep: number
  newestEvaluation: number
}

/** The figures of every run as files, a line a closed round or evaluation, for whoever draws curves. */
export class RunMetrics {
  readonly #folder: string
  readonly #dependencies: RunMetricsDependencies
  readonly #open = new Map<RunId, RunFile>()
  readonly #unsubscribe: () => void
  #writing: Promise<void> = Promise.resolve()

  constructor({ folder }: RunMetricsOptions, dependencies: RunMetricsDependencies) {
    this.#folder = folder
    this.#dependencies = dependencies
    this.#unsubscribe = dependencies.events.listen((event) => this.#tell(event))
  }

  /** The figures of a run that are in its file, oldest first; none for a run that has closed no round. */
  async series(run: RunId): Promise<readonly MetricLine[]> {
    await this.#writing
    return (await readLines(this.#fileOf(run).jsonl)).lines
  }

  /** Resolves when what was told so far is in the files. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await this.#writing
  }

  #tell(event: ClusterEvent): void {
    const line = lineOf(event)
    const { run } = event
    if (run === null || line === null) return
    // A disk that is full costs the figures of a round, not the round.
    this.#writing = this.#writing
      .then(() => this.#write(run, line))
      .catch((error: unknown) => this.#dependencies.log('METRICS_NOT_WRITTEN', `${run}: ${errorText(error)}`))
  }

  async #write(run: RunId, line: MetricLine): Promise<void> {
    const file = await this.#opened(run)
    const isEvaluation = line.heldOutLossNats !== undefined
    if (line.step <= (isEvaluation ? file.newestEvaluation : file.newestStep) || file.lines >= maxLines)
      return
    await appendFile(file.jsonl, `${JSON.stringify(line)}\n`)
    await appendFile(file.tensorBoard, scalarRecord(line.at / 1000, line.step, scalarsOf(line)))
    file.lines++
    if (isEvaluation) file.newestEvaluation = line.step
    else file.newestStep = line.step
  }

  async #opened(run: RunId): Promise<RunFile> {
    const known = this.#open.get(run)
    if (known !== undefined) return known
    const file = this.#fileOf(run)
    await mkdir(path.dirname(file.jsonl), { recursive: true })
    const { lines, wholeBytes, torn } = await readLines(file.jsonl)
    // A head that was killed while it wrote left half a line.
    if (torn) await truncate(file.jsonl, wholeBytes)
    const seconds = this.#dependencies.clock.now() / 1000
    await appendFile(file.tensorBoard, fileVersionRecord(seconds))
    file.lines = lines.length
    for (const { step, heldOutLossNats } of lines) {
      if (heldOutLossNats === undefined) file.newestStep = Math.max(file.newestStep, step)
      else file.newestEvaluation = Math.max(file.newestEvaluation, step)
    }
    const oldest = this.#open.keys().next().value
    if (this.#open.size >= maxOpenRuns && oldest !== undefined) this.#open.delete(oldest)
    this.#open.set(run, file)
    return file
  }

  #fileOf(run: RunId): RunFile {
    const folder = path.join(this.#folder, run)
    const seconds = String(Math.floor(this.#dependencies.clock.now() / 1000)).padStart(10, '0')
    return {
      jsonl: path.join(folder, 'metrics.jsonl'),
      tensorBoard: path.join(folder, `events.out.tfevents.${seconds}.murmur`),
      lines: 0,
      newestStep: -1,
      newestEvaluation: -1,
    }
  }
}

/** What an event adds to the figures; null for most. */
function lineOf(event: ClusterEvent): MetricLine | null {
  if (event.kind === 'evaluation') return { ...event.data, at: event.at }
  if (event.kind !== 'round-closed' || event.round === null) return null
  const { epoch, trainLossNats, tokens, tokensPerSecond, seconds, bytes, workers, refused } = event.data
  return {
    step: event.round + 1,
    at: event.at,
    epoch,
    trainLossNats,
    tokens,
    tokensPerSecond,
    seconds,
    bytes,
    workers,
    refused: refused.length,
  }
}

function scalarsOf(line: MetricLine): ReadonlyMap<string, number> {
  const named: readonly (readonly [string, number | null | undefined])[] = [
    ['loss/train', line.trainLossNats],
    ['loss/held_out', line.heldOutLossNats],
    ['accuracy/held_out', line.heldOutAccuracy],
    ['throughput/tokens_per_second', line.tokensPerSecond],
    ['throughput/tokens', line.tokens],
    ['network/bytes', line.bytes],
    ['round/seconds', line.seconds],
    ['round/workers', line.workers],
    ['round/refused', line.refused],
  ]
  return new Map(named.flatMap(([tag, value]) => (value == null ? [] : [[tag, value] as const])))
}

/** The whole lines of a file of ours; what is damaged is left out. */
async function readLines(
  file: string,
): Promise<{ readonly lines: readonly MetricLine[]; readonly wholeBytes: number; readonly torn: boolean }> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], wholeBytes: 0, torn: false }
    throw error
  }
  const wholeBytes = bytes.lastIndexOf('\n') + 1
  const lines = bytes
    .subarray(0, wholeBytes)
    .toString('utf8')
    .split('\n')
    .flatMap((text) => {
      try {
        const line = JSON.parse(text) as MetricLine
        return Number.isInteger(line.step) ? [line] : []
      } catch {
        return []
      }
    })
  return { lines, wholeBytes, torn: wholeBytes < bytes.length }
}
