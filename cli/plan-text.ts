import type { Plan, PlanNode, PlanTime } from '../coordinator/placement/plan.ts'
import { bytesText } from '../protocol/byte-size.ts'
import { bytes, tokens } from './amounts.ts'
import { expectedGapText } from './expected-gap-text.ts'
import { printable } from './log.ts'
import { unitsOf } from './units.ts'

/** A plan, as people read it. */
export function planText(plan: Plan): string {
  const { name, parameterCount, rounds, epochs, perWorkerRound, perWorker, total } = plan
  const fewer = plan.ratioToRingAllReduce
  const unit = unitsOf(plan.task)
  const rows: (readonly [string, string])[] = [
    [
      'training',
      `${epochs} epochs of ${rounds / epochs} rounds of ${plan.innerSteps.perWorkerRound} inner steps`,
    ],
    ['workers', workersText(plan)],
    [
      unit,
      `${count(plan.tokens.perWorkerRound)} a worker and round, ${count(plan.tokens.perRound)} a round, ${count(plan.tokens.total)} in all`,
    ],
    [
      'a round, a worker',
      `${trafficText(perWorkerRound)} (a contribution is ${bytes(plan.contributionBytes)}${averageText(plan)})`,
    ],
    [
      'the run, a worker',
      `${trafficText(perWorker)}, of it ${bytes(perWorker.setUpBytes)} program and data, ${bytes(perWorker.auditBytes)} audits`,
    ],
    ['the run, all workers', trafficText(total)],
    [
      'fp32 ring all-reduce',
      fewer === null
        ? 'one worker averages with nobody'
        : `after every step: ${fewer.toFixed(0)} times the bytes of a round`,
    ],
    ['to synchronous', expectedGapText(plan.expectedGap, plan.workers)],
    ['checkpoints', checkpointsText(plan)],
    ['memory, a worker', bytesText(plan.memoryBytesPerWorker)],
    ['time', plan.time === null ? 'no speed is known' : timeText(plan.time, rounds)],
    ['cost', plan.costWei === null ? 'unpaid' : `${tokens(plan.costWei)} tokens at most: ${epochs} epochs`],
  ]
  const width = Math.max(...rows.map(([title]) => title.length))
  return [
    `${printable(name)}: ${count(parameterCount)} parameters${trainedText(plan)}`,
    ...rows.map(([title, text]) => `  ${title.padEnd(width)}  ${text}`),
    ...(plan.nodes.length === 0
      ? []
      : ['', `nodes (${plan.nodes.length})`, ...plan.nodes.map((node) => nodeLine(node, unit))]),
    ...(plan.pending === null
      ? []
      : ['', `it could not start: ${printable(plan.pending.text)}`, `  ${printable(plan.pending.fix)}`]),
    ...(plan.warnings.length === 0 ? [] : ['', ...plan.warnings.map((warning) => `warning: ${warning}`)]),
  ].join('\n')
}

const trainedText = ({ frozenBytes, movingCount }: Plan): string =>
  frozenBytes === 0 ? '' : `, of which ${count(movingCount)} are not frozen`

function checkpointsText({ epochs, checkpointBytes, frozenBytes }: Plan): string {
  const once = frozenBytes === 0 ? '' : `, and once ${bytes(frozenBytes)} that are frozen`
  return `${epochs} of ${bytes(checkpointBytes)}${once}`
}

function workersText({ workers, nodes }: Plan): string {
  const chosen = nodes.filter(({ verdict }) => verdict === 'chosen')
  if (chosen.length === 0) return `${workers} (workers.min)`
  const busy = chosen.filter((node) => node.busy).length
  return busy === 0 ? `${workers}` : `${workers}, of which ${busy} work for other runs now`
}

const averageText = ({ averageBytes }: Plan): string =>
  averageBytes === null ? '' : `, the average ${bytes(averageBytes)}`

const trafficText = ({ upBytes, downBytes }: { upBytes: number; downBytes: number }): string =>
  `${bytes(upBytes)} up, ${bytes(downBytes)} down`

function timeText(
  { trainSecondsPerRound, exchangeSecondsPerRound, totalSeconds, unmeasured }: PlanTime,
  rounds: number,
): string {
  const exchange = exchangeSecondsPerRound > 0 ? ` and ${duration(exchangeSecondsPerRound)} exchange` : ''
  const least = unmeasured > 0 ? `at least (${unmeasured} of unknown speed) ` : 'about '
  return `${least}${duration(totalSeconds)}: ${rounds} rounds of ${duration(trainSecondsPerRound)} training${exchange}; audits and waiting for blocks come on top`
}

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`
}

function nodeLine(
  { name, verdict, busy, reason, tokensPerSecond, innerSteps }: PlanNode,
  unit: string,
): string {
  const speed = tokensPerSecond > 0 ? `${count(Math.round(tokensPerSecond))} ${unit}/s` : 'speed not known'
  const work = innerSteps === null ? (reason ?? '') : `${innerSteps} steps a round`
  return `  ${printable(name).padEnd(6)} ${(busy ? `${verdict}, busy` : verdict).padEnd(12)} ${speed.padEnd(18)} ${printable(work)}`.trimEnd()
}

const count = (value: number): string => value.toLocaleString('en')
