import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { NodeReport, RunPhase, RunReport } from '../../protocol/report.ts'
import type { HeadControl } from '../api/head-control.ts'
import type { ClusterEvent, EventFeed } from '../events.ts'

/*
 * Figures of the head for Prometheus. Every label takes few values: run ids only of runs under way, short names of at
 * most `maxWorkers` workers, codes of our own of which the first `maxCodes` are told apart. No text of a peer or a user.
 */
const maxRuns = 16
const maxWorkers = 128
const maxCodes = 32

const phases: Readonly<Record<RunPhase, 'waiting' | 'active' | 'over'>> = {
  'awaiting-funds': 'waiting',
  queued: 'waiting',
  forming: 'active',
  warmup: 'active',
  train: 'active',
  commit: 'active',
  reveal: 'active',
  aggregate: 'active',
  paused: 'waiting',
  settling: 'active',
  finished: 'over',
  stopped: 'over',
  failed: 'over',
}

const statuses: readonly NodeReport['status'][] = ['alive', 'suspect', 'dead', 'draining']

const roundBuckets = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800]
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.04, 0.1, 0.25, 1, 5]
const fsyncBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2]

export class HeadMetrics {
  readonly #registry = new Registry()
  readonly #unsubscribe: () => void
  readonly #codes = new Set<string>()

  readonly #runs = this.#gauge('murmur_runs', 'Runs by phase', ['phase'])
  readonly #nodes = this.#gauge('murmur_nodes', 'Nodes by status', ['status'])
  readonly #round = this.#gauge('murmur_run_round', 'Round of each run under way', ['run'])
  readonly #loss = this.#gauge('murmur_run_train_loss_nats', 'Loss of the last round, nats a token', ['run'])
  readonly #speed = this.#gauge('murmur_run_tokens_per_second', 'Of the workers of each run under way', [
    'run',
  ])
  readonly #workerSpeed = this.#gauge('murmur_worker_tokens_per_second', 'By short name', ['worker'])
  readonly #tokens = this.#counter('murmur_tokens_total', 'Tokens of admitted contributions', [])
  readonly #rounds = this.#counter('murmur_rounds_total', 'Rounds closed', [])
  readonly #bytes = this.#counter('murmur_worker_bytes_total', 'Sent and received by workers', [])
  readonly #refused = this.#counter('murmur_refused_total', 'Contributions refused, by code', ['code'])
  readonly #epochs = this.#counter('murmur_epochs_settled_total', 'Epochs settled', [])
  readonly #audits = this.#counter('murmur_audits_total', 'Audits by outcome', ['outcome'])
  readonly #failovers = this.#counter('murmur_head_failovers_total', 'Times this head took the lead over', [])
  readonly #roundSeconds = this.#histogram('murmur_round_seconds', 'Length of a round', roundBuckets, [])
  readonly #fsyncSeconds = this.#histogram('murmur_log_fsync_seconds', 'fsync of the log', fsyncBuckets, [])
  readonly #requestSeconds = this.#histogram(
    'murmur_api_request_seconds',
    'Answering the API',
    requestBuckets,
    ['route', 'method', 'status'],
  )

  constructor(events: EventFeed) {
    collectDefaultMetrics({ register: this.#registry })
    this.#unsubscribe = events.listen((event) => this.#tell(event))
  }

  close(): void {
    this.#unsubscribe()
    this.#registry.clear()
  }

  /** For the log that makes the head's state durable: how long one fsync took. */
  logSynced(seconds: number): void {
    this.#fsyncSeconds.observe(seconds)
  }

  /** For the head: it leads a run that another head led before. */
  failedOver(): void {
    this.#failovers.inc()
  }

  /** `route` is a path as documented, of which there are few. */
  request(route: string, method: string, status: number, seconds: number): void {
    const known = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'].includes(method) ? method : 'OTHER'
    this.#requestSeconds.observe({ route, method: known, status: String(status) }, seconds)
  }

  /** The text format, version 0.0.4. */
  async text(head: HeadControl): Promise<string> {
    const { nodes, runs } = head.cluster()
    this.#runs.reset()
    for (const phase of Object.keys(phases)) this.#runs.set({ phase }, 0)
    for (const { phase } of runs) this.#runs.inc({ phase })
    this.#nodes.reset()
    this.#workerSpeed.reset()
    const connected = nodes.filter((node) => node.connected)
    for (const status of statuses)
      this.#nodes.set({ status }, nodes.filter((node) => node.status === status).length)
    for (const { name, tokensPerSecond } of connected.slice(0, maxWorkers))
      this.#workerSpeed.set({ worker: name.slice(0, 16) }, tokensPerSecond)
    for (const gauge of [this.#round, this.#loss, this.#speed]) gauge.reset()
    const active = runs.filter(({ phase }) => phases[phase] === 'active').slice(0, maxRuns)
    for (const { run, round } of active) {
      this.#round.set({ run }, round)
      this.#showReport(await head.report(run))
    }
    return await this.#registry.metrics()
  }

  #showReport(report: RunReport | undefined): void {
    if (report === undefined) return
    const { run, rounds, workers } = report
    const loss = rounds.findLast(({ trainLossNats }) => trainLossNats !== null)?.trainLossNats
    if (loss != null) this.#loss.set({ run }, loss)
    this.#speed.set(
      { run },
      workers.reduce((sum, { tokensPerSecond }) => sum + tokensPerSecond, 0),
    )
  }

  #tell(event: ClusterEvent): void {
    switch (event.kind) {
      case 'round-closed': {
        const { tokens, seconds, bytes, refused } = event.data
        this.#rounds.inc()
        this.#tokens.inc(tokens)
        this.#bytes.inc(bytes)
        if (seconds > 0) this.#roundSeconds.observe(seconds)
        for (const code of refused) this.#refused.inc({ code: this.#boundedCode(code) })
        return
      }
      case 'audit':
        this.#audits.inc({ outcome: event.data.outcome })
        return
      case 'epoch-settled':
        this.#epochs.inc()
        return
      default:
    }
  }

  #boundedCode(code: string): string {
    if (!this.#codes.has(code) && (this.#codes.size >= maxCodes || !/^[A-Z][A-Z0-9_]{0,40}$/.test(code)))
      return 'OTHER'
    this.#codes.add(code)
    return code
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] })
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[],
  ): Histogram<Label> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] })
  }
}
