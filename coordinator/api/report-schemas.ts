import { z } from 'zod'
import { taskKinds } from '../../protocol/tasks.ts'

/*
 * protocol/report.ts as schemas: the OpenAPI document is made of them, and a test reads real answers with them. They
 * are not run on answers at run time, only on a report that another head has written. A field that the reports have and this page does not is passed on all the same.
 */

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly()
const count = z.number().int().min(0)
const nats = z.number().nullable()
const share = z.number().min(0).max(1).nullable()
const wei = z.string().regex(/^\d+$/).describe('Token base units, decimal')
const cid = z.string().describe('CIDv1, base32')
const hash = z.string().describe('32 bytes, 0x-prefixed hex')
const worker = z.string().describe('libp2p peer id')
const milliseconds = z.number().describe('Milliseconds since the epoch')

const runPhase = z.enum([
  'awaiting-funds',
  'queued',
  'forming',
  'warmup',
  'train',
  'commit',
  'reveal',
  'aggregate',
  'paused',
  'settling',
  'finished',
  'stopped',
  'failed',
])

const nodeOffer = z
  .object({
    devices: list(
      z.object({
        kind: z.enum(['cpu', 'cuda', 'webgpu']),
        name: z.string(),
        memoryBytes: count,
        tokensPerSecond: z.number(),
      }),
    ),
    cores: count,
    memoryBytes: count,
    diskBytes: count,
    upBytesPerSecond: z.number(),
    downBytesPerSecond: z.number(),
    roundTripMs: z.number(),
    labels: list(z.object({ key: z.string(), value: z.string() })),
  })
  .meta({ id: 'NodeOffer', description: 'What a host offers; measured figures are 0 while unknown' })

export const nodeReport = z
  .object({
    id: worker,
    name: z.string(),
    engineClass: z.string(),
    tokensPerSecond: z.number(),
    connected: z.boolean(),
    status: z.enum(['alive', 'suspect', 'dead', 'draining']),
    run: cid.nullable(),
    phase: z.string(),
    payout: z.string().nullable(),
    offer: nodeOffer.nullable(),
  })
  .meta({ id: 'NodeReport' })

export const runLine = z
  .object({
    run: cid,
    name: z.string(),
    phase: runPhase,
    round: count,
    roundsTotal: count,
    pending: z.string().nullable().describe('Why it waits, and what would change that'),
  })
  .meta({ id: 'RunLine' })

export const clusterReport = z
  .object({
    head: worker,
    version: z.string(),
    addresses: list(z.string()),
    startedAt: milliseconds,
    term: count.describe('In which the head that answers leads'),
    heads: list(z.object({ id: worker, addresses: list(z.string()), leads: z.boolean() })),
    nodes: list(nodeReport),
    runs: list(runLine),
    chain: z.object({ rpcUrl: z.string(), chainId: count, escrow: z.string(), token: z.string() }).nullable(),
  })
  .meta({ id: 'ClusterReport' })

export const roundReport = z
  .object({
    round: count,
    epoch: count,
    members: list(worker),
    admitted: list(worker),
    refused: list(z.object({ worker, code: z.string() })),
    trainLossNats: nats,
    tokens: count.describe('Of the admitted contributions'),
    stateRoot: hash,
    stateRoots: list(hash),
    replicas: list(worker),
    manifest: cid,
  })
  .meta({ id: 'RoundReport' })

const auditReport = z
  .object({
    worker,
    round: count,
    outcome: z.enum(['verified', 'refuted', 'unavailable']),
    code: z.string(),
    bytes: count,
    verdict: cid,
  })
  .meta({ id: 'AuditReport' })

export const epochReport = z
  .object({
    epoch: count,
    manifest: cid,
    beacon: z.object({ blockNumber: z.string(), blockHash: hash }).nullable(),
    audits: list(auditReport),
    verified: z.boolean(),
    settled: z.boolean(),
    payoutTree: cid.nullable(),
    payoutRoot: hash.nullable(),
    paid: wei,
    txHash: hash.nullable(),
    gasUsed: z.string().nullable(),
  })
  .meta({ id: 'EpochReport' })

export const checkpointReport = z
  .object({ epoch: count, round: count, cid, heldOutLossNats: nats, heldOutAccuracy: share })
  .meta({ id: 'CheckpointReport' })

export const escrowReport = z
  .object({
    rpcUrl: z.string(),
    chainId: count,
    contract: z.string(),
    token: z.string(),
    run: hash,
    required: wei,
    funded: wei,
    reserved: wei,
    claimed: wei,
    refundable: wei,
    refunded: wei,
  })
  .meta({ id: 'EscrowReport' })

const workerReport = z
  .object({
    id: worker,
    name: z.string(),
    payout: z.string().nullable(),
    status: z.string(),
    phase: z.string(),
    round: count,
    step: count,
    lossNats: nats,
    tokensPerSecond: z.number(),
    utilization: z.number(),
    tokens: count,
    verifiedTokens: count,
    bytesSent: count,
    bytesReceived: count,
    earned: wei,
    claimed: wei,
    error: z.string().nullable(),
  })
  .meta({ id: 'WorkerReport' })

export const runReport = z
  .object({
    run: cid,
    name: z.string(),
    task: z.enum(taskKinds),
    phase: runPhase,
    pending: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string(), next: z.string() }).nullable(),
    submittedAt: milliseconds,
    startedAt: milliseconds.nullable(),
    endedAt: milliseconds.nullable(),
    round: count,
    roundsTotal: count,
    epochsTotal: count,
    innerSteps: count,
    parameterCount: count,
    movingCount: count.optional(),
    tokensPerRound: count,
    heldOutLossNats: z.object({ before: nats, after: nats }),
    heldOutAccuracy: z.object({ before: share, after: share }),
    samples: z.object({ before: z.string().nullable(), after: z.string().nullable() }),
    workers: list(workerReport),
    rounds: list(roundReport),
    epochs: list(epochReport),
    checkpoints: list(checkpointReport),
    escrow: escrowReport.nullable(),
    notes: list(z.object({ at: milliseconds, code: z.string(), text: z.string() })),
  })
  .meta({ id: 'RunReport' })

/** What has been submitted and has no report yet. */
export const queuedRun = z.object({ ...runLine.shape, queued: z.literal(true) }).meta({ id: 'QueuedRun' })
