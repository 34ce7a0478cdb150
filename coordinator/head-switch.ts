import { MurmurError } from '../protocol/errors.ts'
import type { RunId, WorkerId } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import type { HeadControl, SubmitOptions } from './api/head-control.ts'
import type { EventFeed } from './events.ts'
import type { Head } from './head.ts'
import type { HeadNode } from './head-node.ts'

/** What the API speaks to for as long as the process lives: the head, while it leads. A standby says where to ask. */
export class HeadSwitch implements HeadControl {
  readonly events: EventFeed
  /** What a head that does not lead can tell of itself. */
  readonly #standby: () => ClusterReport
  #node: HeadNode | null = null
  #head: Head | null = null

  constructor(events: EventFeed, standby: () => ClusterReport) {
    this.events = events
    this.#standby = standby
  }

  attach(node: HeadNode): void {
    this.#node = node
  }

  set head(head: Head | null) {
    this.#head = head
  }

  get head(): Head | null {
    return this.#head
  }

  cluster(): ClusterReport {
    return this.#head?.cluster() ?? this.#standby()
  }

  async report(run: RunId): Promise<RunReport | undefined> {
    return await this.#leading().report(run)
  }

  submit(run: RunId, options: SubmitOptions): Promise<void> {
    return this.#leading().submit(run, options)
  }

  stopRun = (run: RunId): boolean => this.#leading().stopRun(run)
  pauseRun = (run: RunId): boolean => this.#leading().pauseRun(run)
  resumeRun = (run: RunId): boolean => this.#leading().resumeRun(run)
  drainNode = (worker: WorkerId): boolean => this.#leading().drainNode(worker)

  #leading(): Head {
    if (this.#head !== null) return this.#head
    const { role, term, heads } = this.#node?.status ?? { role: 'seeking', term: 0, heads: [] }
    const leader = heads[term % 8]
    throw new MurmurError('NOT_LEADING', {
      message:
        role === 'leading'
          ? 'this head is reading its journal'
          : `this head is a standby${leader === undefined ? '' : ` of ${leader.addresses[0]}`}`,
      next: role === 'leading' ? 'ask again in a second' : 'ask the head that leads, on its host',
      exit: 'unreachable',
    })
  }
}
