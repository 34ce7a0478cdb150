import { z } from 'zod'
import {
  checkpointReport,
  epochReport,
  escrowReport,
  nodeReport,
  roundReport,
  runLine,
} from './report-schemas.ts'

/** Bodies, queries and answers of the API that are not reports. */

const list = <T extends z.ZodType>(item: T) => z.array(item).readonly()
const sequence = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** Priorities that the queue tells apart. */
export const submitBody = z
  .strictObject({ priority: z.int().min(-100).max(100).default(0).describe('Higher goes first') })
  .meta({ id: 'Submission' })

export const roundsQuery = z.strictObject({
  since: sequence.default(0).describe('First round to give'),
  limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
})

export const eventsQuery = z.strictObject({
  since: sequence.default(0).describe('Events after this sequence number; 0 for all that are kept'),
  limit: z.coerce.number().int().min(1).max(1_000).default(256),
  run: z.string().max(64).optional().describe('Of one run only'),
})

export const streamQuery = z.strictObject({
  since: sequence.optional().describe('Replay what came after this sequence number; 0 for all that is kept'),
  run: z.string().max(64).optional().describe('Of one run only'),
})

export const clusterEvent = z
  .object({
    sequence: z.int(),
    at: z.number().describe('Milliseconds since the epoch'),
    run: z.string().nullable(),
    round: z.int().nullable(),
    worker: z.string().nullable(),
    kind: z.enum([
      'phase',
      'round-opened',
      'round-closed',
      'worker-joined',
      'worker-lost',
      'worker-error',
      'audit',
      'epoch-settled',
      'checkpoint',
      'evaluation',
      'note',
    ]),
    code: z.string(),
    text: z.string(),
    data: z.unknown().optional().describe('Figures, by kind'),
  })
  .meta({ id: 'Event' })

export const eventPage = z
  .object({
    events: list(clusterEvent),
    next: z.int().describe('Ask with this as `since` for what comes after'),
    newest: z.int(),
    gap: z.boolean().describe('True when events after `since` are not kept any more'),
  })
  .meta({ id: 'EventPage' })

export const metricLine = z
  .object({
    step: z.int().min(0).describe('Rounds that were done'),
    at: z.number().describe('Milliseconds since the epoch'),
    epoch: z.int().optional(),
    trainLossNats: z.number().nullable().optional(),
    heldOutLossNats: z.number().optional(),
    heldOutAccuracy: z.number().optional(),
    tokens: z.int().optional(),
    tokensPerSecond: z.number().optional(),
    seconds: z.number().optional(),
    bytes: z.int().optional(),
    workers: z.int().optional(),
    refused: z.int().optional(),
  })
  .meta({ id: 'MetricLine' })
export type MetricLine = z.output<typeof metricLine>

export const nodeList = z.object({ nodes: list(nodeReport) })
export const runList = z.object({ runs: list(runLine) })
export const roundList = z.object({ rounds: list(roundReport), total: z.int() })
export const epochList = z.object({ epochs: list(epochReport) })
export const checkpointList = z.object({ checkpoints: list(checkpointReport) })
export const metricSeries = z.object({ metrics: list(metricLine) })

export const paymentList = z
  .object({
    escrow: escrowReport.nullable(),
    workers: list(
      z.object({
        worker: z.string(),
        name: z.string(),
        payout: z.string().nullable(),
        verifiedTokens: z.int(),
        earned: z.string(),
        claimed: z.string(),
      }),
    ),
    epochs: list(
      z.object({
        epoch: z.int(),
        settled: z.boolean(),
        paid: z.string(),
        txHash: z.string().nullable(),
        payoutTree: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Payments' })

export const tokenBody = z
  .strictObject({
    role: z.enum(['read', 'admin']),
    label: z
      .string()
      .max(80)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
      .regex(/^[^\x00-\x1f\x7f-\x9f]*$/, 'has control characters')
      .default('')
      .describe('For people'),
  })
  .meta({ id: 'NewToken' })

const tokenRecord = z
  .object({ id: z.string(), role: z.enum(['read', 'admin']), label: z.string(), createdAt: z.number() })
  .meta({ id: 'Token' })
export const tokenList = z.object({ tokens: list(tokenRecord) })
export const createdToken = z
  .object({ ...tokenRecord.shape, token: z.string().describe('Shown this once') })
  .meta({ id: 'CreatedToken' })

export const submitted = z.object({ run: z.string() })

export const problem = z
  .object({
    type: z.string(),
    title: z.string().describe('The code'),
    status: z.int(),
    detail: z.string(),
    next: z.string().describe('What to do about it'),
    exit: z.string().describe('How the command line ends: docs/protocol.md, "Exit codes"'),
  })
  .meta({ id: 'Problem' })
