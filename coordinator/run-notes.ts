import type { RunId, WorkerId } from '../protocol/ids.ts'
import type { Clock } from '../protocol/ports.ts'
import type { RunReport } from '../protocol/report.ts'
import type { Members } from './members.ts'
import type { RunLog } from './run-log.ts'

export interface RunNotesDependencies {
  readonly log: RunLog
  readonly clock: Clock
  members(): Members
  /** A line in the head's own log. */
  line(code: string, text: string, fields: { run: RunId; round?: number; worker?: WorkerId }): void
}

/** What is worth telling of a run: in its report, and in the head's log. */
export class RunNotes {
  readonly #of: RunNotesDependencies

  constructor(dependencies: RunNotesDependencies) {
    this.#of = dependencies
  }

  note(code: string, round: number | null, worker: WorkerId | null, text: string): void {
    const { log, clock, line } = this.#of
    const told = round === null ? text : `round ${round}: ${text}`
    log.book.addNote(clock.now(), code, worker, told)
    const name = worker === null ? '' : `${this.#nameOf(worker)}: `
    const fields = {
      run: log.run,
      ...(round === null ? {} : { round }),
      ...(worker === null ? {} : { worker }),
    }
    line(code, `${name}${told}`, fields)
  }

  list(): RunReport['notes'] {
    return this.#of.log.book.notes((worker) => this.#nameOf(worker))
  }

  #nameOf(worker: WorkerId): string {
    return this.#of.members().get(worker)?.name ?? worker.slice(-8)
  }
}
