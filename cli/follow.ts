import { setTimeout as sleep } from 'node:timers/promises'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import type { ApiClient } from './api-client.ts'
import type { LiveView } from './live-view.ts'

/** Steps and speeds of workers are no events: the picture is drawn anew this often, and after each event. */
const redrawMs = 1_000
/** Events come in bursts; one look tells them all. */
const burstMs = 50
const over = new Set<RunReport['phase']>(['finished', 'stopped', 'failed'])

export interface FollowRunOptions {
  readonly signal: AbortSignal
  readonly view: LiveView
  /** How long the run may wait for its escrow to be funded, in milliseconds. */
  readonly fundingTimeoutMs: number
  /** How long the head may be away: one that is started again goes on with the run. Default 20 s. */
  readonly patienceMs?: number
}

/**
 * Watches a run until it is over and gives its last report.
 * @throws MurmurError ESCROW_UNDERFUNDED (exit `funds`), the run's own failure with the first error of a worker,
 * HEAD_UNREACHABLE; the signal's reason.
 */
export async function followRun(
  api: ApiClient,
  run: RunId,
  { signal, view, fundingTimeoutMs, patienceMs = 20_000 }: FollowRunOptions,
): Promise<RunReport> {
  const started = performance.now()
  const ended = new AbortController()
  const changes = watchEvents(api, run, AbortSignal.any([signal, ended.signal]))
  let firstError: string | null = null
  let lastSeen = started
  try {
    for (;;) {
      const changed = changes.next()
      const report = await reportOf(api, run, performance.now() - lastSeen < patienceMs)
      signal.throwIfAborted()
      if (report !== undefined) lastSeen = performance.now()
      if (report != null) {
        view.show(report)
        firstError ??= firstWorkerError(report)
        if (over.has(report.phase)) {
          if (report.error === null) return report
          throw failureOf(report.error, firstError)
        }
        if (report.phase === 'awaiting-funds' && performance.now() - started > fundingTimeoutMs)
          throw underfunded(report)
      }
      await Promise.race([changed, sleep(redrawMs, undefined, { signal, ref: true })])
    }
  } finally {
    ended.abort()
  }
}

/** Null for a run in the queue; undefined when the head does not answer and may be away. */
async function reportOf(
  api: ApiClient,
  run: RunId,
  mayBeAway: boolean,
): Promise<RunReport | null | undefined> {
  try {
    return await api.report(run)
  } catch (error) {
    const away = isMurmurError(error, 'HEAD_UNREACHABLE') || isMurmurError(error, 'HEAD_NOT_RUNNING')
    if (away && mayBeAway) return undefined
    throw error
  }
}

/** `next()` resolves at the first event that comes after it was called, and a moment later, for those that follow it. */
function watchEvents(api: ApiClient, run: RunId, signal: AbortSignal): { next(): Promise<void> } {
  let changed = Promise.withResolvers<void>()
  const work = async () => {
    for await (const { type } of api.follow({ run, signal, patienceMs: Number.POSITIVE_INFINITY })) {
      if (type !== 'event') continue
      await sleep(burstMs, undefined, { signal })
      changed.resolve()
      changed = Promise.withResolvers()
    }
  }
  // Without the stream, looking now and then still shows everything.
  work().catch(() => {})
  return { next: () => changed.promise }
}

function firstWorkerError({ workers }: RunReport): string | null {
  const found = workers.find(({ error }) => error !== null)
  return found === undefined ? null : `${found.name}: ${found.error}`
}

function failureOf(error: NonNullable<RunReport['error']>, firstError: string | null): MurmurError {
  const { code, message, next } = error
  return new MurmurError(code, {
    message:
      firstError === null ? message : `${message}; first error of a worker: ${firstError.slice(0, 500)}`,
    next,
    exit: exitOf(code),
  })
}

function underfunded({ run, pending }: RunReport): MurmurError {
  return new MurmurError('ESCROW_UNDERFUNDED', {
    message: pending ?? 'the escrow does not hold what the run can pay',
    next: `fund it with \`murmur fund ${run} --amount …\`; the run starts by itself then`,
    exit: 'funds',
  })
}

function exitOf(code: string): MurmurError['exit'] {
  if (code === 'RPC_UNREACHABLE') return 'unreachable'
  if (code === 'TX_REVERTED' || code === 'LEASE_LOST') return 'reverted'
  if (code === 'INSUFFICIENT_FUNDS') return 'funds'
  return 'failed'
}
