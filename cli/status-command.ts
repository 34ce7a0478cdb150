import type { ClusterReport, NodeReport, RunReport } from '../protocol/report.ts'
import { bytes } from './amounts.ts'
import { type ApiClient, connectApi } from './api-client.ts'
import { homeFolder } from './home.ts'
import { printable } from './log.ts'
import { eventLine } from './logs-command.ts'
import type { StatusOptions } from './status.ts'
import { table } from './table.ts'
import { unitsOf } from './units.ts'

const over = new Set<RunReport['phase']>(['finished', 'stopped', 'failed'])
/** Of a verbose status: enough to see what goes on. */
const shownEvents = 10
const shownRuns = 8

export async function statusCommand(options: StatusOptions): Promise<void> {
  const api = await connectApi(homeFolder(options.home))
  const status = await api.status()
  const reports = options.verbose === true ? await activeReports(api, status) : []
  if (options.json === true) {
    const whole = options.verbose === true ? { ...status, reports } : status
    process.stdout.write(`${JSON.stringify(whole, null, 2)}\n`)
    return
  }
  const lines = statusLines(status)
  for (const report of reports) lines.push('', ...reportLines(report))
  if (options.verbose === true) lines.push('', ...(await eventLines(api, status)))
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function activeReports(api: ApiClient, { runs }: ClusterReport): Promise<readonly RunReport[]> {
  const active = runs.filter(({ phase }) => !over.has(phase)).slice(0, shownRuns)
  const reports = await Promise.all(active.map(({ run }) => api.report(run)))
  return reports.filter((report) => report !== null)
}

/** The cluster as people read it. */
function statusLines(status: ClusterReport): string[] {
  const { head, term, heads, addresses, chain, nodes, runs } = status
  const lines = [`head ${head}`, ...addresses.map((address) => `  join: murmur start --address ${address}`)]
  for (const { id, leads } of heads) {
    if (leads && id !== head) lines.push(`  led by ${id} in term ${term}`)
    if (!leads && id !== head) lines.push(`  standby ${id}`)
  }
  if (chain !== null) lines.push(`  pays on chain ${chain.chainId}, escrow ${chain.escrow}`)
  lines.push('', `nodes (${nodes.length})`, ...nodes.map(nodeLine))
  lines.push('', `runs (${runs.length})`)
  for (const { run, name, phase, round, roundsTotal, pending } of runs) {
    lines.push(`  ${printable(name)}  ${phase}  round ${round}/${roundsTotal}  ${run}`)
    if (pending !== null) lines.push(`    waiting: ${printable(pending)}`)
  }
  return lines
}

function nodeLine({ name, status, phase, engineClass, tokensPerSecond }: NodeReport): string {
  const speed = tokensPerSecond > 0 ? `${Math.round(tokensPerSecond)} tokens/s` : ''
  const doing = status === 'alive' ? printable(phase) : status
  return `  ${name.padEnd(5)} ${doing.padEnd(12)} ${printable(engineClass)}  ${speed}`.trimEnd()
}

function reportLines({ name, task, workers, innerSteps }: RunReport): string[] {
  const rows = workers.map((worker) => [
    `  ${worker.name}`,
    worker.status,
    worker.phase,
    `${worker.step}/${innerSteps}`,
    worker.lossNats === null ? '' : worker.lossNats.toFixed(3),
    worker.tokens.toLocaleString('en'),
    `↑${bytes(worker.bytesSent)} ↓${bytes(worker.bytesReceived)}`,
    printable(worker.error ?? ''),
  ])
  return [
    `workers of ${printable(name)}`,
    ...table(['  name', 'status', 'phase', 'step', 'loss', unitsOf(task), 'traffic', 'error'], rows),
  ]
}

async function eventLines(api: ApiClient, { nodes }: ClusterReport): Promise<readonly string[]> {
  const { newest } = await api.events(0)
  const { events } = await api.events(Math.max(1, newest - shownEvents))
  const names = new Map(nodes.map(({ id, name }) => [id, name]))
  return ['newest events', ...events.map((event) => `  ${eventLine(event, names)}`)]
}
