import type { Account } from 'viem'
import { averagingOf, initialState } from '../aggregation/averaging.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { type ChainConfig, connectEscrow, escrowRunId } from '../chain/escrow.ts'
import { type History, rebuild } from '../checkpoints/rebuild.ts'
import { startingWeights } from '../checkpoints/starting-weights.ts'
import type { Store } from '../checkpoints/store.ts'
import { type RunModel, readRunModel } from '../program/run-model.ts'
import { digestHash } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId, type WorkerId } from '../protocol/ids.ts'
import { maxMetadataBlockBytes, maxProgramBytes } from '../protocol/limits.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { emptyLocalState, localShape, localStateDigest, packLocalState } from '../verification/local-state.ts'
import { traceLength } from '../verification/trace.ts'
import type { Members } from './members.ts'
import { HeadReplica } from './replica.ts'
import type { RoundRules } from './round/state.ts'
import { RunCoordinator } from './run.ts'
import { RunLog, type RunRecord } from './run-log.ts'
import { RunNotes } from './run-notes.ts'
import type { RecordLog, RunAuditor } from './run-ports.ts'

/** Where runs are paid, and by whom epochs are posted. */
export interface HeadChain {
  readonly config: ChainConfig
  readonly account: Account
}

/** What an auditor has to ask the head. */
export interface AuditorFacts {
  engineClassOf(worker: WorkerId): string
  manifestOf(round: number): CidText
}

export interface OpenRunDependencies {
  readonly network: Network
  readonly store: Store
  readonly clock: Clock
  readonly journal: RecordLog
  readonly chain: HeadChain | null
  /** In the order of their terms. */
  heads(): readonly WorkerId[]
  members(): Members
  deposed(term: number): void
  log(code: string, text: string, fields?: { run?: RunId; round?: number; worker?: WorkerId }): void
  /** Makes what executes programs for one run: wired in by whoever starts the head, as it needs an engine. */
  createAuditor(run: RunId, facts: AuditorFacts): Promise<RunAuditor>
}

/** Contributions and checkpoints that a head which took over does not have are asked of workers this long. */
const fetchTimeoutMs = 20_000

/**
 * From a run's records to a coordinator that is ready to lead it: a new run has one record, one that was under way those
 * of all that happened. θ is rebuilt from the newest checkpoint and the contributions since.
 * @throws MurmurError BLOCK_MISSING, RUN_SPEC_INVALID, HISTORY_BROKEN, and what checking its program throws.
 */
export async function openRun(
  run: RunId,
  records: readonly RunRecord[],
  dependencies: OpenRunDependencies,
): Promise<RunCoordinator> {
  const { network, store, clock, chain, journal, members, createAuditor, deposed } = dependencies
  const fetch = (cid: CidText, maxBytes: number) => ownOrFetched(cid, maxBytes, dependencies)
  const spec = decodeRunSpec(await fetch(cidText(run), maxMetadataBlockBytes))
  const model = readRunModel(await fetch(spec.programs.training, maxProgramBytes))
  const log = new RunLog(run)
  const initial = await startingWeights(spec, model, fetch)
  log.setRules(rulesOf(run, spec, model, initial))
  const keep = async (cid: CidText, block: Uint8Array) => {
    if (!(await store.blocks.has(cid))) await store.blocks.put(cid, block)
  }
  for (const record of records) await log.apply(record, (cid) => store.blocks.get(cid), keep)

  const history: History = {
    run,
    heads: dependencies.heads(),
    parameterCount: model.parameterCount,
    averaging: averagingOf(spec, model.movingCount),
    initialWeights: async () => initial.slice(),
  }
  // Audits begin at the start of the rounds whose epochs are not settled yet.
  const unsettled = log.unsettled()[0]
  const from = unsettled === undefined ? undefined : log.book.manifestsOf(unsettled.epoch)[0]?.round
  const rebuilt = await rebuild(
    log.state.parent,
    history,
    {
      fetch,
      keep,
      verify: (...of) => network.verify(...of),
      readCheckpoint: async (cid) => {
        const signal = AbortSignal.timeout(fetchTimeoutMs)
        return (await store.fetchCheckpoint(cid, fetch, signal)).state
      },
    },
    from,
  )
  const notes = new RunNotes({ log, clock, members, line: dependencies.log })
  const auditor = await createAuditor(run, {
    engineClassOf: (worker) => members().get(worker)?.engineClass ?? '',
    manifestOf: (round) => coordinator.manifestOf(round),
  })
  const coordinator: RunCoordinator = new RunCoordinator(
    {
      run,
      spec,
      task: model.task,
      parameterCount: model.parameterCount,
      movingCount: model.movingCount,
      programMemoryBytes: model.memoryBytes,
      money: chain === null ? null : moneyOf(run, spec, chain),
    },
    {
      network,
      clock,
      blocks: store.blocks,
      replica: new HeadReplica(rebuilt.state, rebuilt.starts, {
        averaging: history.averaging,
        fetchTimeoutMs: spec.timing.fetchTimeoutMs,
        fetch: async (worker, cid, maxBytes, signal) => {
          const own = await store.blocks.get(cid)
          if (own !== undefined) return own
          // Whoever made it first; when it is gone, whoever has it.
          const others = network.connectedPeers().filter((peer) => peer !== worker)
          const first = worker === null ? [] : [worker]
          const bytes = await network.fetchBlock([...first, ...others], cid, { signal, maxBytes })
          await store.blocks.put(cid, bytes)
          return bytes
        },
        keep,
        writeCheckpoint: async (state, round) => {
          const epoch = Math.floor(round / spec.train.roundsPerEpoch)
          const parent =
            log.book.checkpoints().findLast((checkpoint) => checkpoint.round < round)?.cid ?? null
          const links = { run, program: spec.programs.training, data: spec.data, round, epoch, parent }
          return (await store.writeCheckpoint(state, model.table, links)).manifestCid
        },
      }),
      auditor,
      journal,
      log,
      notes,
      members,
      deposed,
    },
  )
  return coordinator
}

/** A block of this head, else of whoever is connected: what a head that took over did not have yet. */
export async function ownOrFetched(
  cid: CidText,
  maxBytes: number,
  { store, network }: Pick<OpenRunDependencies, 'store' | 'network'>,
): Promise<Uint8Array> {
  const own = await store.blocks.get(cid)
  if (own !== undefined) return own
  const signal = AbortSignal.timeout(fetchTimeoutMs)
  const bytes = await network.fetchBlock(network.connectedPeers(), cid, { signal, maxBytes })
  await store.blocks.put(cid, bytes)
  return bytes
}

/** @throws MurmurError BLOCK_MISSING */
export async function blockOf(store: Store, cid: CidText): Promise<Uint8Array> {
  const bytes = await store.blocks.get(cid)
  if (bytes !== undefined) return bytes
  throw new MurmurError('BLOCK_MISSING', {
    message: `the submission names ${cid}, which was not uploaded`,
    next: 'submit again with `murmur run`, which uploads every block first',
    exit: 'usage',
  })
}

function rulesOf(
  run: RunId,
  { train, averaging, workers, timing, audit }: RunSpec,
  model: RunModel,
  initial: Float32Array,
): RoundRules {
  const ours = averagingOf({ averaging, train }, model.movingCount)
  return {
    run,
    rounds: train.roundsPerEpoch * train.epochs,
    roundsPerEpoch: train.roundsPerEpoch,
    traceLeaves: traceLength(audit.segments),
    segments: audit.segments,
    innerSteps: train.innerSteps,
    adaptive: workers.adaptive,
    eager: ours.eager,
    tokensPerStep: model.tokensPerStep,
    minWorkers: workers.min,
    maxWorkers: workers.max,
    quorum: workers.quorum,
    missesBeforeDemotion: timing.missesBeforeDemotion,
    warmupTimeoutMs: timing.warmupTimeoutMs,
    trainTimeoutMs: timing.trainTimeoutMs,
    commitGraceMs: timing.commitGraceMs,
    revealTimeoutMs: timing.revealTimeoutMs,
    initialRoot: stateRoot(initialState(initial, ours)),
    emptyLocalState: localStateDigest(packLocalState(emptyLocalState(localShape(model, ours)))),
  }
}

function moneyOf(run: RunId, spec: RunSpec, { config, account }: HeadChain) {
  if (spec.reward === null) return null
  return {
    escrow: connectEscrow(config, account),
    context: {
      chainId: config.chainId,
      escrow: config.escrow,
      escrowRun: escrowRunId(account.address, digestHash(cidText(run))),
    },
    epochReward: BigInt(spec.reward.perEpochWei),
    rpcUrl: config.rpcUrl,
    chainId: config.chainId,
    token: config.token,
  }
}
