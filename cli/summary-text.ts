import { bytes, tokens } from './amounts.ts'
import { printable } from './log.ts'
import { lossChart } from './loss-chart.ts'
import type { RunSummary } from './summary.ts'
import { table } from './table.ts'
import { lossUnits, percent, unitsOf } from './units.ts'

/** The end of a run, as people read it. */
export function summaryText(summary: RunSummary): string {
  return [
    title(summary),
    ...lossSection(summary),
    ...sampleSection(summary),
    ...bytesSection(summary),
    ...historySection(summary),
    ...moneySection(summary),
  ].join('\n')
}

function title({ name, phase, seconds, parameterCount, movingCount, workers, rounds }: RunSummary): string {
  const time = seconds === null ? '' : ` in ${seconds.toFixed(0)} s`
  const trained =
    movingCount === parameterCount ? '' : `, of which ${movingCount.toLocaleString('en')} are not frozen`
  return `${printable(name)}: ${phase}${time} · ${parameterCount.toLocaleString('en')} parameters${trained} · ${workers.length} workers · ${rounds.length} rounds`
}

function lossSection({ task, rounds, heldOutLossNats, heldOutAccuracy }: RunSummary): string[] {
  const losses = rounds.flatMap(({ trainLossNats }) => (trainLossNats === null ? [] : [trainLossNats]))
  const units = lossUnits(task)
  return [
    ...['', `training loss, ${units}, by round`, ...lossChart(losses)],
    `held-out loss: ${beforeAndAfter(heldOutLossNats, (loss) => loss.toFixed(3))} (${units})`,
    ...(task === 'classification' ? [`held-out accuracy: ${beforeAndAfter(heldOutAccuracy, percent)}`] : []),
  ]
}

function beforeAndAfter(
  { before, after }: RunSummary['heldOutAccuracy'],
  show: (value: number) => string,
): string {
  const shown = (value: number | null) => (value === null ? 'not measured' : show(value))
  return `${shown(before)} before, ${shown(after)} after`
}

function sampleSection({ task, samples }: RunSummary): string[] {
  if (task !== 'language') return []
  const show = (text: string | null) => (text === null ? 'not sampled' : JSON.stringify(printable(text)))
  return ['', `sample before: ${show(samples.before)}`, `sample after:  ${show(samples.after)}`]
}

function bytesSection({ task, workers, bytesRatioToFp32AllReduce: ratio }: RunSummary): string[] {
  const rows = workers.map((worker) => [
    worker.name,
    worker.tokens.toLocaleString('en'),
    bytes(worker.bytesSent),
    bytes(worker.bytesReceived),
    bytes(worker.bytesAudited),
    bytes(worker.bytesFp32AllReduce),
    worker.bytesRatioToFp32AllReduce === null ? '' : `${worker.bytesRatioToFp32AllReduce.toFixed(0)}×`,
  ])
  const note =
    ratio === null
      ? 'one worker averages with nobody'
      : `all bytes of their sockets, set-up and audits included: together ${ratio.toFixed(0)}× fewer than fp32 ring all-reduce after every step would move (computed)`
  return [
    '',
    ...table(['worker', unitsOf(task), 'sent', 'received', 'of it audits', 'all-reduce', 'fewer'], rows),
    note,
  ]
}

function historySection({ rounds, stateRootsEqual, checkpoints, epochs }: RunSummary): string[] {
  const last = rounds.at(-1)
  const lines = ['']
  if (last !== undefined) {
    const replicas = last.stateRoots.length
    lines.push(
      stateRootsEqual
        ? `state roots: equal on all ${replicas} replicas and the head, after each of ${rounds.length} rounds`
        : 'state roots: NOT EQUAL: see `rounds` in --json',
      `last state root: ${last.stateRoot}`,
    )
  }
  const rows = epochs.map((epoch) => [
    String(epoch.epoch + 1),
    epoch.audits.map(({ outcome, code }) => (outcome === 'verified' ? 'verified' : code)).join(', ') ||
      'nothing drawn',
    epoch.txHash !== null ? 'settled' : epoch.settled ? 'unpaid' : 'open',
    epoch.gasUsed ?? '',
    tokens(epoch.paid),
    checkpoints.find((checkpoint) => checkpoint.epoch === epoch.epoch)?.cid ?? '',
  ])
  if (rows.length > 0)
    lines.push('', ...table(['epoch', 'audit', 'state', 'gas', 'paid', 'checkpoint'], rows))
  return lines
}

function moneySection({ escrow, funders, workers }: RunSummary): string[] {
  if (escrow === null) return []
  const rows = [
    ...funders.map(({ funder, funded, refunded }) => [
      'funder',
      funder,
      tokens(funded),
      '',
      '',
      tokens(refunded),
    ]),
    ...workers.map(({ name, payout, earned, claimed }) => [
      name,
      payout ?? '',
      '',
      tokens(earned),
      tokens(claimed),
      '',
    ]),
    [
      'escrow',
      escrow.contract,
      tokens(escrow.funded),
      tokens(escrow.reserved),
      tokens(escrow.claimed),
      tokens(escrow.refunded),
    ],
  ]
  const [funded, claimed, refunded] = [escrow.funded, escrow.claimed, escrow.refunded].map(BigInt)
  const held = funded! - claimed! - refunded!
  return [
    '',
    ...table(['who', 'account', 'funded', 'earned', 'claimed', 'refunded'], rows),
    `left in the escrow: ${tokens(held)} (${held} wei)`,
  ]
}
