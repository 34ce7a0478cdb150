import type { Account } from 'viem'
import { compressorOf } from '../aggregation/compressor-of.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { type ChainConfig, connectEscrow, escrowRunId } from '../chain/escrow.ts'
import type { Store } from '../checkpoints/store.ts'
import { type RunModel, readRunModel } from '../program/run-model.ts'
import { digestHash } from '../protocol/content-id.ts'
import { type CidText, cidText, type RunId, type WorkerId } from '../protocol/ids.ts'
import type { Clock, Network } from '../protocol/ports.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { emptyLocalState, localStateDigest, packLocalState } from '../verification/local-state.ts'
import { traceLength } from '../verification/trace.ts'
import type { Members } from './members.ts'
import { HeadReplica } from './replica.ts'
import type { RoundRules } from './round/state.ts'
import { type RunAuditor, RunCoordinator } from './run.ts'

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
  readonly chain: HeadChain | null
  members(): Members
  log(code: string, text: string): void
  /** Makes what executes programs for one run: wired in by whoever starts the head, as it needs an engine. */
  createAuditor(run: RunId, facts: AuditorFacts): Promise<RunAuditor>
}

/** From a run spec and its training program to a coordinator that is ready to start. */
export async function openRun(
  run: RunId,
  spec: RunSpec,
  trainingProgram: Uint8Array,
  { network, store, clock, chain, members, log, createAuditor }: OpenRunDependencies,
): Promise<RunCoordinator> {
  const model = readRunModel(trainingProgram)
  const theta = model.initialWeights(spec.train.seed)
  const facts: AuditorFacts = {
    engineClassOf: (worker) => members().get(worker)?.engineClass ?? '',
    manifestOf: (round) => coordinator.manifestOf(round),
  }
  const auditor = await createAuditor(run, facts)
  const coordinator: RunCoordinator = new RunCoordinator(
    {
      run,
      spec,
      parameterCount: model.parameterCount,
      money: chain === null ? null : moneyOf(run, spec, chain),
      rules: rulesOf(run, spec, model, theta, network.self),
    },
    {
      network,
      clock,
      blocks: store.blocks,
      replica: replicaOf(run, spec, model, theta, network, store),
      auditor,
      members,
      log,
    },
  )
  return coordinator
}

function replicaOf(
  run: RunId,
  spec: RunSpec,
  model: RunModel,
  theta: Float32Array,
  network: Network,
  store: Store,
): HeadReplica {
  let parent: CidText | null = null
  return new HeadReplica(theta, {
    compressor: compressorOf(spec.averaging),
    outerLearningRate: spec.averaging.outerLearningRate,
    fetchTimeoutMs: spec.timing.fetchTimeoutMs,
    fetch: async (worker, cid, maxBytes, signal) => {
      const bytes = await network.fetchBlock([worker], cid, { signal, maxBytes })
      await store.blocks.put(cid, bytes)
      return bytes
    },
    writeCheckpoint: async (params, round) => {
      const epoch = Math.floor(round / spec.train.roundsPerEpoch)
      const links = { run, program: spec.programs.training, data: spec.data, round, epoch, parent }
      parent = (await store.writeCheckpoint(params, model.table, links)).manifestCid
      return parent
    },
  })
}

function rulesOf(
  run: RunId,
  { train, workers, timing, audit, model: shape }: RunSpec,
  model: RunModel,
  theta: Float32Array,
  head: WorkerId,
): RoundRules {
  return {
    run,
    head,
    term: 1,
    rounds: train.roundsPerEpoch * train.epochs,
    roundsPerEpoch: train.roundsPerEpoch,
    traceLeaves: traceLength(audit.segments),
    tokensPerRound: train.innerSteps * train.batch * shape.context,
    minWorkers: workers.min,
    maxWorkers: workers.max,
    quorum: workers.quorum,
    warmupTimeoutMs: timing.warmupTimeoutMs,
    trainTimeoutMs: timing.trainTimeoutMs,
    commitGraceMs: timing.commitGraceMs,
    revealTimeoutMs: timing.revealTimeoutMs,
    initialRoot: stateRoot(theta),
    emptyLocalState: localStateDigest(packLocalState(emptyLocalState(model.parameterCount, model.moments))),
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
