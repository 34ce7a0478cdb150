import { setTimeout as sleep } from 'node:timers/promises'
import { MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import type { ApiClient } from './api-client.ts'
import type { LiveView } from './live-view.ts'

const pollMs = 400
const over = new Set<RunReport['phase']>(['finished', 'stopped', 'failed'])

export interface FollowOptions {
  readonly signal: AbortSignal
  readonly view: LiveView
  /** How long the run may wait for its escrow to be funded, in milliseconds. */
  readonly fundingTimeoutMs: number
}

/**
 * Watches a run until it is over and gives its last report.
 * @throws MurmurError ESCROW_UNDERFUNDED (exit `funds`), the run's own failure, HEAD_UNREACHABLE; the signal's reason.
 */
export async function followRun(
  api: ApiClient,
  run: RunId,
  { signal, view, fundingTimeoutMs }: FollowOptions,
): Promise<RunReport> {
  const started = Date.now()
  for (;;) {
    const report = await api.report(run)
    signal.throwIfAborted()
    if (report !== null) {
      view.show(report)
      if (over.has(report.phase)) {
        if (report.error === null) return report
        throw new MurmurError(report.error.code, { ...report.error, exit: exitOf(report.error.code) })
      }
      if (report.phase === 'awaiting-funds' && Date.now() - started > fundingTimeoutMs) {
        throw new MurmurError('ESCROW_UNDERFUNDED', {
          message: report.pending ?? 'the escrow does not hold what the run can pay',
          next: `fund it with \`murmur fund ${run} --amount …\`; the run starts by itself then`,
          exit: 'funds',
        })
      }
    }
    await sleep(pollMs, undefined, { signal })
  }
}

function exitOf(code: string): MurmurError['exit'] {
  if (code === 'RPC_UNREACHABLE') return 'unreachable'
  if (code === 'TX_REVERTED') return 'reverted'
  if (code === 'INSUFFICIENT_FUNDS') return 'funds'
  return 'failed'
}
