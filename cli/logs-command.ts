import type { ClusterEvent } from '../coordinator/events.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { RunId, WorkerId } from '../protocol/ids.ts'
import { type ApiClient, chosenRun, connectApi } from './api-client.ts'
import { homeFolder } from './home.ts'
import { printable } from './log.ts'
import type { LogsOptions } from './logs.ts'
import { watching } from './watching.ts'

const over = new Set(['finished', 'stopped', 'failed'])

export async function logsCommand(named: string | undefined, options: LogsOptions): Promise<void> {
  const api = await connectApi(homeFolder(options.home))
  const run = await chosenRun(api, named)
  const worker = options.node === undefined ? undefined : await workerNamed(api, run, options.node)
  const names = new Map((await api.status()).nodes.map(({ id, name }) => [id, name]))
  const show = (event: ClusterEvent) => {
    if (worker !== undefined && event.worker !== worker) return
    process.stdout.write(
      options.json === true ? `${JSON.stringify(event)}\n` : `${eventLine(event, names)}\n`,
    )
  }
  await watching(async (signal) => {
    const since = await replay(api, run, show)
    if (options.follow === true) await follow(api, run, since, show, signal)
    else await tellErrors(api, run, options.json === true)
  })
}

/** Everything that the head still knows, and the sequence number to go on from. */
async function replay(api: ApiClient, run: RunId, show: (event: ClusterEvent) => void): Promise<number> {
  let since = 0
  for (;;) {
    const { events, next, newest, gap } = await api.events(since, run)
    if (gap) process.stderr.write('older events are not kept any more\n')
    for (const event of events) show(event)
    since = next
    if (next >= newest) return next
  }
}

async function follow(
  api: ApiClient,
  run: RunId,
  since: number,
  show: (event: ClusterEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { phase } = (await api.report(run)) ?? { phase: 'queued' }
  if (over.has(phase)) return
  let opened = false
  for await (const told of api.follow({ run, since, signal })) {
    if (told.type === 'gap') process.stderr.write('some events were missed and are not kept any more\n')
    if (told.type === 'open') {
      if (opened) process.stderr.write('connected again\n')
      opened = true
    }
    if (told.type !== 'event') continue
    show(told.event)
    if (told.event.kind === 'phase' && over.has(told.event.data.phase)) return
  }
}

/** 12:00:00 w2 ROUND_CLOSED round 3: loss … */
export function eventLine(event: ClusterEvent, names: ReadonlyMap<WorkerId, string>): string {
  const { at, worker, code, round, text } = event
  const time = new Date(at).toISOString().slice(11, 19)
  const who = worker === null ? '' : ` ${names.get(worker) ?? worker.slice(-8)}`
  const where = round === null ? '' : ` round ${round + 1}:`
  return printable(`${time}${who} ${code}${where} ${text}`)
}

/** A run that is over may have told its errors to a head that has ended: its report still has them. */
async function tellErrors(api: ApiClient, run: RunId, json: boolean): Promise<void> {
  const report = await api.report(run)
  if (report === null || json) return
  const lines = report.workers.flatMap(({ name, error }) => (error === null ? [] : [`${name}: ${error}`]))
  if (report.error !== null) lines.unshift(`the run failed: ${report.error.code}: ${report.error.message}`)
  for (const line of lines) process.stderr.write(`${printable(line)}\n`)
}

async function workerNamed(api: ApiClient, run: RunId, named: string): Promise<WorkerId> {
  const [{ nodes }, report] = await Promise.all([api.status(), api.report(run)])
  const found = [...nodes, ...(report?.workers ?? [])].find(({ id, name }) => id === named || name === named)
  if (found !== undefined) return found.id
  throw new MurmurError('NODE_UNKNOWN', {
    message: `there is no node ${named}`,
    next: '`murmur list nodes` lists them',
    exit: 'usage',
  })
}
