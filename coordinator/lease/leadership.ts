import { errorText } from '../../protocol/errors.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import type { Journal } from '../journal/journal.ts'
import type { HeadRecord } from '../journal/record.ts'
import { Replication, type ReplicationDependencies } from '../journal/replication.ts'
import type { HeadList } from './head-list.ts'
import type { Leader, LeaderControl } from './leader.ts'

export interface LeadershipDependencies {
  readonly journal: Journal
  readonly send: ReplicationDependencies['send']
  createLeader(
    records: readonly HeadRecord[],
    term: number,
    heads: HeadList,
    control: LeaderControl,
  ): Promise<Leader>
  /** Another head, or the chain, knows of a higher term. */
  onTerm(term: number): void
  log(code: string, text: string): void
}

/** One head's leadership of one term, from its first record to its end. */
export class Leadership {
  readonly term: number
  readonly replication: Replication
  readonly #dependencies: LeadershipDependencies
  #leader: Leader | null = null
  #ended = false

  constructor(term: number, dependencies: LeadershipDependencies) {
    this.term = term
    this.#dependencies = dependencies
    this.replication = new Replication(term, dependencies)
  }

  /** Null until the journal has been read to its end. */
  get leader(): Leader | null {
    return this.#leader
  }

  /**
   * Journals that it begins, and leads once that is durable. The others are told at once: reading a journal takes time.
   * @throws MurmurError JOURNAL_SEALED when it was ended meanwhile, and what creating the leader throws
   */
  async begin(self: WorkerId, heads: HeadList, current: () => HeadList): Promise<void> {
    const { journal, createLeader, onTerm, log } = this.#dependencies
    journal.unseal()
    journal.append({ kind: 'heads', heads: [...heads] })
    journal.append({ kind: 'term', term: this.term })
    for (const { id } of heads) if (id !== self) this.replication.tell(id)
    await journal.durable()
    log('HEAD_LEADS', `term ${this.term}, ${heads.length} heads`)
    const records = await journal.records()
    const leader = await createLeader(records, this.term, current(), { deposed: onTerm })
    if (this.#ended) await leader.stop()
    else this.#leader = leader
  }

  /** From now on nothing more is journaled; resolves when the leader has stopped. Never rejects. */
  async end(): Promise<void> {
    this.#ended = true
    this.#dependencies.journal.seal()
    const leader = this.#leader
    this.#leader = null
    for (const result of await Promise.allSettled([this.replication.stop(), leader?.stop()]))
      if (result.status === 'rejected') this.#dependencies.log('HEAD_STOP_FAILED', errorText(result.reason))
  }
}
