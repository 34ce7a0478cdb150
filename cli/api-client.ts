import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { type ExitKind, MurmurError } from '../protocol/errors.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { headFolder, requireReady } from './home.ts'

export interface ApiClient {
  status(): Promise<ClusterReport>
  putBlock(cid: CidText, bytes: Uint8Array): Promise<void>
  getBlock(cid: CidText): Promise<Uint8Array>
  submit(run: RunId): Promise<void>
  report(run: RunId): Promise<RunReport | null>
  stopRun(run: RunId): Promise<void>
}

const timeoutMs = 30_000

/** Connects to the head whose state is in `home`. Throws HEAD_NOT_RUNNING, HEAD_UNREACHABLE, and what the head says. */
export async function connectApi(home: string): Promise<ApiClient> {
  const { apiUrl } = await requireReady(home)
  const token = await tokenOf(home)

  const call = async (method: string, route: string, body?: Uint8Array): Promise<Response> => {
    let response: Response
    try {
      response = await fetch(`${apiUrl}/api/v1${route}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
        body: body as Uint8Array<ArrayBuffer> | undefined,
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (cause) {
      throw new MurmurError('HEAD_UNREACHABLE', {
        message: `the head's API at ${apiUrl} does not answer`,
        next: 'look at its log; restart it with `murmur down` and `murmur up`',
        exit: 'unreachable',
        cause,
      })
    }
    if (response.ok) return response
    const problem = (await response.json().catch(() => ({}))) as Record<string, string | undefined>
    throw new MurmurError(problem.title ?? 'API_FAILED', {
      message: problem.detail ?? `the head answered ${response.status}`,
      next: problem.next ?? 'look at the head’s log',
      exit: (problem.exit as ExitKind | undefined) ?? 'failed',
    })
  }

  return {
    status: async () => (await (await call('GET', '/status')).json()) as ClusterReport,
    putBlock: async (cid, bytes) => {
      await call('PUT', `/blocks/${cid}`, bytes)
    },
    getBlock: async (cid) => new Uint8Array(await (await call('GET', `/blocks/${cid}`)).arrayBuffer()),
    submit: async (run) => {
      await call('POST', `/runs/${run}`)
    },
    report: async (run) => {
      const report = (await (await call('GET', `/runs/${run}`)).json()) as RunReport & { queued?: boolean }
      return report.queued === true ? null : report
    },
    stopRun: async (run) => {
      await call('POST', `/runs/${run}/stop`)
    },
  }
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
    named === undefined ? runs.at(-1) : runs.find(({ run, name }) => run === named || name === named)
  if (found !== undefined) return found.run
  throw new MurmurError('RUN_UNKNOWN', {
    message: named === undefined ? 'this cluster has had no run yet' : `there is no run ${named}`,
    next: named === undefined ? 'submit one with `murmur run run.yaml`' : '`murmur status` lists the runs',
    exit: 'usage',
  })
}
