import type { RunId, WorkerId } from '../../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../../protocol/report.ts'
import type { EventFeed } from '../events.ts'

export interface SubmitOptions {
  /** Higher goes first; runs of equal priority in the order of submission. */
  readonly priority: number
  /** Which API token submitted it: its id. */
  readonly owner: string
}

/** What the API asks of a head. The head implements it; a test may be another. */
export interface HeadControl {
  cluster(): ClusterReport
  /** Undefined for a run that has none yet (it waits in the queue) or that nobody has submitted. */
  report(run: RunId): Promise<RunReport | undefined>
  /** Takes a run whose blocks are in the store. Submitting one twice is harmless. */
  submit(run: RunId, options: SubmitOptions): Promise<void>
  /** These say whether there is such a run, or node, for which it makes sense; they work in every state. */
  stopRun(run: RunId): boolean
  pauseRun(run: RunId): boolean
  resumeRun(run: RunId): boolean
  /** The node finishes its round and leaves. */
  drainNode(worker: WorkerId): boolean
  readonly events: EventFeed
}
