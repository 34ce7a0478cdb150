import { createLogUpdate } from 'log-update'
import type { RunReport } from '../protocol/report.ts'
import { bytes, tokens } from './amounts.ts'
import { printable } from './log.ts'
import { percent, unitsOf } from './units.ts'

export interface LiveView {
  show(report: RunReport): void
  /** Leaves the last picture standing. */
  close(): void
}

/** One live view on stderr; without a terminal (or in CI), a plain line whenever something worth telling changed. */
export function createLiveView(stream: NodeJS.WriteStream = process.stderr): LiveView {
  return stream.isTTY && !process.env.CI ? terminalView(stream) : plainView(stream)
}

function terminalView(stream: NodeJS.WriteStream): LiveView {
  const update = createLogUpdate(stream, { showCursor: true })
  return {
    show: (report) => update(picture(report, Math.max(40, (stream.columns ?? 100) - 1)).join('\n')),
    close: () => update.done(),
  }
}

function plainView(stream: NodeJS.WriteStream): LiveView {
  let last = ''
  let notes = 0
  return {
    show: (report) => {
      for (const note of report.notes.slice(notesShown(report, notes))) {
        stream.write(`${printable(note.code)} ${printable(note.text)}\n`)
      }
      notes = report.notes.at(-1)?.at ?? notes
      const firstLoss = report.rounds.length === 0 && lossOf(report) !== null
      const key = `${report.phase}/${report.round}/${report.pending}/${firstLoss}/${accuracyOf(report)}`
      const interesting = ['awaiting-funds', 'forming', 'warmup', 'train', 'settling'].includes(report.phase)
      if (key === last || !interesting) return
      last = key
      stream.write(`${headline(report)}\n`)
    },
    close: () => {},
  }
}

function notesShown(report: RunReport, since: number): number {
  const index = report.notes.findIndex(({ at }) => at > since)
  return index === -1 ? report.notes.length : index
}

function headline(report: RunReport): string {
  const loss = lossOf(report)
  const speed = report.workers.reduce((sum, worker) => sum + worker.tokensPerSecond, 0)
  const parts = [
    report.phase,
    `round ${Math.min(report.round + 1, report.roundsTotal)}/${report.roundsTotal}`,
    `epoch ${Math.min(report.epochsTotal, epochOf(report) + 1)}/${report.epochsTotal}`,
  ]
  if (loss !== null) parts.push(`loss ${loss.toFixed(3)}${report.task === 'regression' ? '' : ' nats'}`)
  const accuracy = accuracyOf(report)
  if (accuracy !== null) parts.push(`accuracy ${percent(accuracy)}`)
  if (speed > 0) parts.push(`${Math.round(speed)} ${unitsOf(report.task)}/s`)
  if (report.pending !== null) parts.push(printable(report.pending))
  return parts.join(' · ')
}

/** Of the newest checkpoint that was measured, on the held-out part. */
const accuracyOf = ({ checkpoints, heldOutAccuracy }: RunReport): number | null =>
  checkpoints.findLast((checkpoint) => checkpoint.heldOutAccuracy !== null)?.heldOutAccuracy ??
  heldOutAccuracy.before

/** Of the last round; while there is none, what the workers see at their current step. */
function lossOf(report: RunReport): number | null {
  const last = report.rounds.findLast(({ trainLossNats }) => trainLossNats !== null)?.trainLossNats
  if (last != null) return last
  const current = report.workers.flatMap(({ lossNats }) => (lossNats === null ? [] : [lossNats]))
  return current.length === 0 ? null : current.reduce((sum, loss) => sum + loss, 0) / current.length
}

function epochOf(report: RunReport): number {
  return Math.floor((report.round * report.epochsTotal) / report.roundsTotal)
}

function picture(report: RunReport, width: number): string[] {
  const lines = [`murmur ${printable(report.name)} · ${headline(report)}`]
  for (const worker of report.workers) {
    const bar = progressBar(worker.phase === 'training' ? worker.step / report.innerSteps : 0)
    lines.push(
      [
        `  ${worker.name.padEnd(4)}`,
        (worker.status === 'ready' ? worker.phase : worker.status).padEnd(11),
        bar,
        worker.lossNats === null ? '     ' : worker.lossNats.toFixed(3),
        `${Math.round(worker.tokensPerSecond)} ${report.task === 'language' ? 'tok' : 'rows'}/s`.padStart(11),
        `in steps ${Math.round(100 * worker.utilization)} %`.padStart(14),
        `↑${bytes(worker.bytesSent)} ↓${bytes(worker.bytesReceived)}`,
        worker.earned === '0' ? '' : `earned ${tokens(worker.earned)}`,
      ].join('  '),
    )
  }
  if (report.escrow !== null) {
    const { funded, reserved, claimed, required } = report.escrow
    lines.push(
      `  escrow  funded ${tokens(funded)} of ${tokens(required)} · reserved ${tokens(reserved)} · claimed ${tokens(claimed)}`,
    )
  }
  const settled = report.epochs.filter((epoch) => epoch.settled).length
  if (settled > 0) lines.push(`  epochs  ${settled} of ${report.epochsTotal} verified and settled`)
  const note = report.notes.at(-1)
  if (note !== undefined) lines.push(`  ${printable(note.code)} ${printable(note.text)}`)
  return lines.map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
}

function progressBar(share: number): string {
  const cells = 12
  const full = Math.round(Math.min(1, Math.max(0, share)) * cells)
  return `${'█'.repeat(full)}${'·'.repeat(cells - full)}`
}
