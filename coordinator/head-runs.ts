import { checkAveraging } from '../aggregation/averaging.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import { type CheckedProgram, checkProgram } from '../program/check-program.ts'
import { assertCompute, type RunModel, readRunModel } from '../program/run-model.ts'
import { contentId } from '../protocol/content-id.ts'
import { errorText, MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId, type WorkerId } from '../protocol/ids.ts'
import { maxMetadataBlockBytes } from '../protocol/limits.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import type { SubmitOptions } from './api/head-control.ts'
import type { Told } from './api/report-events.ts'
import { type Members, maxClusterMembers } from './members.ts'
import { blockOf, type OpenRunDependencies, openRun, ownOrFetched } from './open-run.ts'
import { checkRoundTokens } from './placement/round-tokens.ts'
import type { Recovered } from './recovery.ts'
import type { RunCoordinator } from './run.ts'
import type { RunArchive } from './run-archive.ts'
import type { RunRecord } from './run-log.ts'

export interface HeadRunsDependencies extends Omit<OpenRunDependencies, 'members' | 'heads'> {
  readonly archive: RunArchive
  readonly term: number
  heads(): readonly WorkerId[]
  members(): Members
  /** A run was opened: whoever worked for it before goes on with it. */
  opened(run: RunId, coordinator: RunCoordinator): void
  /** Runs have come, gone or been paused: who works for what is decided anew. */
  changed(): void
  /** A run is over: what is to be told of it. */
  tell(entry: RunEntry, report: RunReport): void
}

/** A run that was submitted and is not archived yet, or was a short while ago. */
export interface RunEntry {
  readonly run: RunId
  readonly spec: RunSpec
  /** Grows until it is opened, which reads them. */
  records: readonly RunRecord[]
  readonly submittedAt: number
  readonly options: SubmitOptions
  coordinator: RunCoordinator | null
  told: Told | undefined
  /** Why it could not be opened. */
  failure: MurmurError | null
  /** When opening it is tried again: a head that took over may have to wait for the workers who hold what it lacks. */
  retryAtMs: number
}

/** Runs waiting for their turn: each holds only its spec. */
const maxQueuedRuns = 64
/** Runs that are open at once: each holds a few copies of its weights. */
const maxOpenRuns = 16
/** Runs that are over and still answer workers which have not heard of it. */
const maxOverRuns = 16
/** Joins after which the journal is written anew: what the members of a full cluster said of themselves, four times. */
const maxMemberRecords = 4 * maxClusterMembers
const reopenMs = 1_000

/** The runs of a head: submitted, opened in their turn, controlled, and archived when they are over. */
export class HeadRuns {
  readonly #dependencies: HeadRunsDependencies
  readonly #entries = new Map<RunId, RunEntry>()
  /** Of runs whose spec is not here yet. */
  #unread = new Map<RunId, readonly RunRecord[]>()
  #readAgainAtMs = 0
  #opening: Promise<void> = Promise.resolve()
  #compacting: Promise<void> = Promise.resolve()
  /** Reports that are being stored. */
  #storing: Promise<unknown> = Promise.resolve()
  /** Journaled since it was last compacted. */
  #memberRecords = 0
  #closed = false

  constructor(dependencies: HeadRunsDependencies) {
    this.#dependencies = dependencies
  }

  /** Goes on with every run that the journal tells of. */
  async start(runs: Recovered['runs']): Promise<void> {
    this.#unread = new Map(runs)
    await this.#readSpecs()
    this.#openNext()
    await this.#opening
  }

  async stop(): Promise<void> {
    this.#closed = true
    await this.#opening.catch(() => {})
    await this.#compacting
    await this.#storing
    for (const { coordinator } of this.#entries.values()) await coordinator?.close()
  }

  get(run: string): RunEntry | undefined {
    return this.#entries.get(run as RunId)
  }

  entries(): readonly RunEntry[] {
    return [...this.#entries.values()]
  }

  /** Those that are open and not over. */
  open(): readonly (RunEntry & { readonly coordinator: RunCoordinator })[] {
    return this.entries().filter(isOpen)
  }

  /** Whether a run is known whose coordinator is not there yet. */
  isOpening(run: string): boolean {
    return this.get(run)?.coordinator === null || this.#unread.has(run as RunId)
  }

  /** Opens what waits, when it is time to try again. */
  look(now: number): void {
    if (
      this.entries().some(
        ({ retryAtMs, coordinator }) => coordinator === null && retryAtMs > 0 && retryAtMs <= now,
      )
    )
      this.#openNext()
    if (this.#unread.size === 0 || now < this.#readAgainAtMs) return
    // Until it is done: a peer may take its time to say that it has nothing.
    this.#readAgainAtMs = Number.POSITIVE_INFINITY
    this.#opening = this.#opening.then(() => this.#readSpecs())
    this.#openNext()
  }

  /** A head that took over may not have every spec yet: those that are missing are asked for again. */
  async #readSpecs(): Promise<void> {
    for (const [run, records] of this.#unread) {
      const [submitted] = records
      try {
        const bytes = await ownOrFetched(cidText(run), maxMetadataBlockBytes, this.#dependencies)
        if (submitted?.kind === 'submitted') this.#enter(run, decodeRunSpec(bytes), records, submitted)
        this.#unread.delete(run)
      } catch (error) {
        this.#dependencies.log('RUN_NOT_OPENED', errorText(error), { run })
      }
    }
    this.#readAgainAtMs = this.#dependencies.clock.now() + reopenMs
  }

  /**
   * Takes a run whose blocks (spec, programs, data manifest, shards) are in the store. Submitting one twice is harmless.
   * @throws MurmurError RUN_SPEC_INVALID, BLOCK_MISSING, QUEUE_FULL, NO_CHAIN, AVERAGING_INVALID, ROUND_TOO_LONG, COMPUTE_DIFFERS, PROGRAMS_DIFFER, and what checking its program throws.
   */
  async submit(run: RunId, options: SubmitOptions): Promise<void> {
    const { archive, chain, store, journal, clock } = this.#dependencies
    if (this.#entries.has(run) || archive.has(run)) return
    if (this.entries().filter(({ coordinator }) => coordinator === null).length >= maxQueuedRuns) {
      throw new MurmurError('QUEUE_FULL', {
        message: `${maxQueuedRuns} runs are waiting already`,
        next: 'wait for one to finish, or stop one with `murmur stop RUN`',
        exit: 'infeasible',
      })
    }
    const spec = decodeRunSpec(await blockOf(store, cidText(run)))
    if (spec.reward !== null && chain === null) {
      throw new MurmurError('NO_CHAIN', {
        message: 'the run pays a reward, but this head has no chain to pay it on',
        next: 'start the head with --devnet or --chain FILE, or set `reward: null`',
        exit: 'infeasible',
      })
    }
    const model = readRunModel(await blockOf(store, spec.programs.training))
    assertCompute(model, spec.train.compute)
    const { movingCount, table } = model
    const frozenCount = model.parameterCount - movingCount
    checkAveraging(spec, { parameterCount: movingCount, frozenCount, table })
    checkRoundTokens(spec, model.tokensPerStep)
    if (spec.init !== null) {
      // A checkpoint that the cluster has need not be this head's.
      const fetch = (cid: CidText, maxBytes: number) => ownOrFetched(cid, maxBytes, this.#dependencies)
      await startingWeights(spec, model, fetch)
    }
    for (const kind of ['evaluation', 'sampling'] as const)
      refuseOther(checkProgram(await blockOf(store, spec.programs[kind])), kind, model)
    await blockOf(store, spec.data)
    // While the blocks were read, another submission of the same run may have come in.
    if (this.#entries.has(run)) return
    const { priority, owner } = options
    const record = { kind: 'submitted', run, submittedAt: clock.now(), priority, owner } as const
    this.#enter(run, spec, [record], record)
    journal.append(record)
    await journal.durable()
    this.#openNext()
  }

  #enter(
    run: RunId,
    spec: RunSpec,
    records: readonly RunRecord[],
    { submittedAt, priority, owner }: Extract<RunRecord, { kind: 'submitted' }>,
  ): void {
    const options = { priority, owner }
    const entry = {
      run,
      spec,
      records,
      submittedAt,
      options,
      coordinator: null,
      told: undefined,
      failure: null,
      retryAtMs: 0,
    }
    this.#entries.set(run, entry)
  }

  /** Opens runs in queue order, as many as may be open at once. */
  #openNext(): void {
    this.#opening = this.#opening.then(async () => {
      const waiting = this.entries()
        .filter(
          ({ coordinator, failure, retryAtMs }) =>
            coordinator === null && failure === null && retryAtMs <= this.#dependencies.clock.now(),
        )
        .sort((a, b) => b.options.priority - a.options.priority || a.submittedAt - b.submittedAt)
      for (const entry of waiting) {
        if (this.#closed || this.open().length >= maxOpenRuns) return
        await this.#open(entry).catch((error: unknown) => this.#openFailed(entry, error))
      }
    })
  }

  async #open(entry: RunEntry): Promise<void> {
    const { records } = entry
    const coordinator = await openRun(entry.run, records, {
      ...this.#dependencies,
      heads: () => this.#dependencies.heads(),
      members: () => this.#dependencies.members(),
    })
    if (this.#closed) return await coordinator.close()
    // Its owner may have spoken meanwhile: then it is read again, as whoever leads next would.
    if (entry.records !== records) {
      await coordinator.close()
      return await this.#open(entry)
    }
    entry.coordinator = coordinator
    const { opened, term, heads } = this.#dependencies
    opened(entry.run, coordinator)
    coordinator.lead(term, heads())
    coordinator.finished
      .then(() => this.#archive(entry))
      .catch((error: unknown) => {
        // It is archived by whoever leads next.
        if (!this.#closed) this.#dependencies.log('ARCHIVE_FAILED', errorText(error), { run: entry.run })
      })
    this.#dependencies.changed()
  }

  #openFailed(entry: RunEntry, error: unknown): void {
    const { log, clock } = this.#dependencies
    log('RUN_NOT_OPENED', errorText(error), { run: entry.run })
    // What went once goes again when those who hold its blocks are back.
    if (hasBegun(entry.records)) entry.retryAtMs = clock.now() + reopenMs
    else
      entry.failure =
        error instanceof MurmurError
          ? error
          : new MurmurError('RUN_NOT_OPENED', { message: errorText(error), next: 'see the head’s log' })
  }

  async #archive(entry: RunEntry): Promise<void> {
    const { archive, journal, tell } = this.#dependencies
    if (this.#closed) return
    tell(entry, await entry.coordinator!.report())
    const written = await archive.keep(await entry.coordinator!.report())
    if (this.#closed) return
    journal.append({ kind: 'archived', run: entry.run, report: await this.#reportBlock(written) })
    await journal.durable()
    await this.#compacted()
    const over = this.entries().filter(({ coordinator }) => coordinator?.isOver === true)
    for (const old of over.slice(0, -maxOverRuns)) {
      this.#entries.delete(old.run)
      await old.coordinator?.close()
    }
    this.#openNext()
    this.#dependencies.changed()
  }

  /** The report of a run that is over, where other heads can fetch it; null when it is too long for that. */
  async #reportBlock(written: Uint8Array): Promise<CidText | null> {
    if (written.length > maxMetadataBlockBytes) return null
    const cid = contentId(written, 'raw')
    const stored = this.#dependencies.store.blocks.put(cid, written)
    this.#storing = Promise.allSettled([this.#storing, stored])
    await stored
    return cid
  }

  /** Drops what nobody needs any more: archived runs, and what members said of themselves before. */
  async #compacted(): Promise<void> {
    const { archive, journal, members } = this.#dependencies
    this.#memberRecords = 0
    const told = new Set<WorkerId>()
    await journal.compact((record) => {
      // What is left of a run that is over: where other heads find its report.
      if (record.kind === 'archived') return record.report !== null
      if (record.kind !== 'member') return !('run' in record) || !archive.has(record.run)
      const { id, incarnation, payout } = record.member
      const known = members().get(id)
      if (known === undefined || told.has(id)) return false
      if (known.incarnation !== incarnation || known.payout !== payout) return false
      told.add(id)
      return true
    })
  }

  /** A member's record was journaled: after many, what they said before is dropped. */
  memberRecorded(): void {
    if (++this.#memberRecords <= maxMemberRecords) return
    this.#memberRecords = 0
    this.#compacting = this.#compacting
      .then(() => (this.#closed ? undefined : this.#compacted()))
      .catch((error: unknown) => this.#dependencies.log('JOURNAL_NOT_COMPACTED', errorText(error)))
  }

  async report(run: RunId): Promise<RunReport | undefined> {
    return (await this.get(run)?.coordinator?.report()) ?? this.#dependencies.archive.get(run)
  }

  /** @param waitsFor what keeps an open run from its workers */
  lines(waitsFor: (run: RunId) => string | null): ClusterReport['runs'] {
    return [
      ...this.#dependencies.archive.list().filter(({ run }) => !this.#entries.has(run)),
      ...this.entries().map((entry) => {
        const { run, spec, coordinator, failure } = entry
        return {
          ...{ run, name: spec.name },
          phase: failure !== null ? ('failed' as const) : (coordinator?.phase ?? ('queued' as const)),
          round: coordinator?.round ?? 0,
          roundsTotal: spec.train.roundsPerEpoch * spec.train.epochs,
          pending: failure?.message ?? this.#pendingOf(entry, waitsFor),
        }
      }),
    ]
  }

  stopRun(run: RunId): boolean {
    const entry = this.#entries.get(run)
    if (entry === undefined || entry.coordinator?.isOver === true) return false
    if (entry.coordinator !== null) entry.coordinator.stop('stopped by its owner')
    else {
      this.#entries.delete(run)
      this.#dependencies.journal.append({ kind: 'archived', run, report: null })
    }
    return true
  }

  pauseRun(run: RunId): boolean {
    return this.#control(run, 'pause')
  }

  resumeRun(run: RunId): boolean {
    return this.#control(run, 'resume')
  }

  /** A run that is not open yet has its owner's wish in its records, where opening it finds it. */
  #control(run: RunId, kind: 'pause' | 'resume'): boolean {
    const entry = this.#entries.get(run)
    if (entry === undefined || entry.failure !== null || entry.coordinator?.isOver === true) return false
    if (entry.coordinator !== null) entry.coordinator[kind]()
    else {
      const { journal, clock } = this.#dependencies
      const record = { kind: 'round', run, now: clock.now(), event: { kind } } as const
      entry.records = [...entry.records, record]
      journal.append(record)
    }
    this.#dependencies.changed()
    return true
  }

  #pendingOf(
    { run, records, coordinator }: RunEntry,
    waitsFor: (run: RunId) => string | null,
  ): string | null {
    if (coordinator !== null) {
      return (coordinator.phase === 'forming' ? waitsFor(run) : null) ?? coordinator.pending
    }
    if (isPaused(records)) return 'paused by its owner before it began; `murmur resume` goes on'
    return this.open().length < maxOpenRuns
      ? 'its programs are being loaded'
      : `${maxOpenRuns} runs are open; it is opened when one of them is over`
  }
}

const isOpen = (entry: RunEntry): entry is RunEntry & { readonly coordinator: RunCoordinator } =>
  entry.coordinator?.isOver === false

/** @throws MurmurError PROGRAMS_DIFFER (exit `usage`): it is of another kind or model than what trains, or in float16. */
function refuseOther(
  { kind, parameterCount, table, compute }: CheckedProgram,
  wanted: 'evaluation' | 'sampling',
  model: RunModel,
): void {
  const isOfModel = parameterCount === model.parameterCount && isSame(table.parameters, model.table)
  if (kind === wanted && isOfModel && compute === 'f32') return
  throw new MurmurError('PROGRAMS_DIFFER', {
    message: `the ${wanted} program of the run is of kind ${kind}, or of another model than its training program, or in float16`,
    next: 'submit again with `murmur run`, which builds them together',
    exit: 'usage',
  })
}

const isSame = (a: RunModel['table'], b: RunModel['table']): boolean =>
  JSON.stringify(a) === JSON.stringify(b)

function hasBegun(records: readonly RunRecord[]): boolean {
  return records.some((record) => record.kind === 'round' && record.event.kind === 'lead')
}

function isPaused(records: readonly RunRecord[]): boolean {
  const wish = records.findLast(
    (record) => record.kind === 'round' && (record.event.kind === 'pause' || record.event.kind === 'resume'),
  )
  return wish?.kind === 'round' && wish.event.kind === 'pause'
}
