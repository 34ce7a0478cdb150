import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MetricLine } from '../coordinator/api/schemas.ts'
import type { EventPage } from '../coordinator/events.ts'
import { type ExitKind, MurmurError } from '../protocol/errors.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import type {
  CheckpointReport,
  ClusterReport,
  EpochReport,
  EscrowReport,
  RunReport,
} from '../protocol/report.ts'
import type { FollowOptions, StreamEvent } from './event-stream.ts'
import { headFolder, requireReady } from './home.ts'

export interface Payments {
  readonly escrow: EscrowReport | null
  readonly workers: readonly {
    readonly worker: string
    readonly name: string
    readonly payout: string | null
    readonly verifiedTokens: number
    readonly earned: string
    readonly claimed: string
  }[]
  readonly epochs: readonly {
    readonly epoch: number
    readonly settled: boolean
    readonly paid: string
    readonly txHash: string | null
  }[]
}

export interface ApiClient {
  status(): Promise<ClusterReport>
  putBlock(cid: CidText, bytes: Uint8Array): Promise<void>
  getBlock(cid: CidText): Promise<Uint8Array>
  submit(run: RunId, options?: { readonly priority?: number }): Promise<void>
  /** Null for a run that waits in the queue and has no report yet. */
  report(run: RunId): Promise<RunReport | null>
  stopRun(run: RunId): Promise<void>
  pauseRun(run: RunId): Promise<void>
  resumeRun(run: RunId): Promise<void>
  /** By peer id or short name. */
  drainNode(node: string): Promise<void>
  epochs(run: RunId): Promise<readonly EpochReport[]>
  checkpoints(run: RunId): Promise<readonly CheckpointReport[]>
  payments(run: RunId): Promise<Payments>
  metrics(run: RunId): Promise<readonly MetricLine[]>
  /** One page of events after `since`; 0 for all that are kept. */
  events(since: number, run?: RunId): Promise<EventPage>
  /** Events as they happen; connects again by itself. Throws what its last attempt threw when none succeeds. */
  follow(options: FollowOptions): AsyncGenerator<StreamEvent, void, void>
}

/** Where a head's API is, and with which token. */
export interface ApiPlace {
  readonly url: string
  readonly token: string
}

const timeoutMs = 30_000
/** A submission of thousands of blocks may be told to slow down this often in a row. */
const maxWaits = 10
const maxWaitMs = 10_000

/** Connects to the head whose state is in `home`. Throws HEAD_NOT_RUNNING, HEAD_UNREACHABLE, and what the head says. */
export async function connectApi(home: string): Promise<ApiClient> {
  // A head that is started again may have another port: asked for again when it does not answer.
  const locate = async (): Promise<ApiPlace> => {
    const { apiUrl } = await requireReady(home)
    return { url: apiUrl, token: await tokenOf(home) }
  }
  let place: ApiPlace | null = await locate()

  const ask = async (
    method: string,
    route: string,
    body?: Uint8Array | string,
    again = true,
  ): Promise<Response> => {
    place ??= await locate()
    const { url, token } = place
    try {
      return await fetch(`${url}/api/v1${route}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
        body: body as Uint8Array<ArrayBuffer> | string | undefined,
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (cause) {
      // A kept connection may be closed just as it is used again. Every request may be made twice (RFC 9112, 9.3.1).
      if (again && wasClosed(cause)) return await ask(method, route, body, false)
      place = null
      throw new MurmurError('HEAD_UNREACHABLE', {
        message: `the head's API at ${url} does not answer`,
        next: 'look at its log; restart it with `murmur down` and `murmur up`',
        exit: 'unreachable',
        cause,
      })
    }
  }

  const call = async (method: string, route: string, body?: Uint8Array | string): Promise<Response> => {
    for (let waits = 0; ; waits++) {
      const response = await ask(method, route, body)
      if (response.ok) return response
      const problem = (await response.json().catch(() => ({}))) as Record<string, string | undefined>
      const seconds = Number(response.headers.get('retry-after'))
      if (response.status === 429 && waits < maxWaits && seconds > 0) {
        await sleep(Math.min(maxWaitMs, seconds * 1000))
        continue
      }
      throw new MurmurError(problem.title ?? 'API_FAILED', {
        message: problem.detail ?? `the head answered ${response.status}`,
        next: problem.next ?? 'look at the head’s log',
        exit: (problem.exit as ExitKind | undefined) ?? 'failed',
      })
    }
  }
  const get = async <T>(route: string): Promise<T> => (await (await call('GET', route)).json()) as T
  const post = async (route: string, body?: unknown): Promise<void> => {
    await call('POST', route, body === undefined ? undefined : JSON.stringify(body))
  }

  return {
    status: () => get('/status'),
    putBlock: async (cid, bytes) => {
      await call('PUT', `/blocks/${cid}`, bytes)
    },
    getBlock: async (cid) => new Uint8Array(await (await call('GET', `/blocks/${cid}`)).arrayBuffer()),
    submit: (run, options) => post(`/runs/${run}`, options),
    report: async (run) => {
      const report = await get<RunReport & { queued?: boolean }>(`/runs/${run}`)
      return report.queued === true ? null : report
    },
    stopRun: (run) => post(`/runs/${run}/stop`),
    pauseRun: (run) => post(`/runs/${run}/pause`),
    resumeRun: (run) => post(`/runs/${run}/resume`),
    drainNode: (node) => post(`/nodes/${encodeURIComponent(node)}/drain`),
    epochs: async (run) => (await get<{ epochs: EpochReport[] }>(`/runs/${run}/epochs`)).epochs,
    checkpoints: async (run) =>
      (await get<{ checkpoints: CheckpointReport[] }>(`/runs/${run}/checkpoints`)).checkpoints,
    payments: (run) => get(`/runs/${run}/payments`),
    metrics: async (run) => (await get<{ metrics: MetricLine[] }>(`/runs/${run}/metrics`)).metrics,
    events: (since, run) => get(`/events?since=${since}&limit=1000${run === undefined ? '' : `&run=${run}`}`),
    follow: async function* (options) {
      const { followEvents } = await import('./event-stream.ts')
      yield* followEvents(locate, options)
    },
  }
}

function wasClosed(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

async function tokenOf(home: string): Promise<string> {
  const file = path.join(headFolder(home), 'api.token')
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new MurmurError('TOKEN_MISSING', {
      message: `the API token ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      next: 'run this as the user who runs the head',
      exit: 'auth',
      cause,
    })
  }
}

/** The run that a command means: the one named, or the newest. Throws RUN_UNKNOWN. */
export async function chosenRun(api: ApiClient, named: string | undefined): Promise<RunId> {
  const { runs } = await api.status()
  const found =
    named === undefined ? runs.at(-1) : runs.findLast(({ run, name }) => run === named || name === named)
  if (found !== undefined) return found.run
  throw new MurmurError('RUN_UNKNOWN', {
    message: named === undefined ? 'this cluster has had no run yet' : `there is no run ${named}`,
    next: named === undefined ? 'submit one with `murmur run run.yaml`' : '`murmur status` lists the runs',
    exit: 'usage',
  })
}
