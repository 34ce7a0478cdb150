import path from 'node:path'
import type { MetricLine } from '../coordinator/api/schemas.ts'
import { bytes } from './amounts.ts'
import { chosenRun, connectApi } from './api-client.ts'
import { headFolder, homeFolder } from './home.ts'
import { lossChart } from './loss-chart.ts'
import type { MetricsOptions } from './metrics.ts'
import { table } from './table.ts'
import { percent } from './units.ts'

/** Rounds shown one by one: the newest. All are in --json, and in the files. */
const shownRounds = 20

export async function metricsCommand(named: string | undefined, options: MetricsOptions): Promise<void> {
  const home = homeFolder(options.home)
  const api = await connectApi(home)
  const run = await chosenRun(api, named)
  const metrics = await api.metrics(run)
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(metrics, null, 2)}\n`)
    return
  }
  if (metrics.length === 0) {
    process.stderr.write('no round has closed yet\n')
    return
  }
  process.stdout.write(`${metricsText(metrics)}\n`)
  process.stderr.write(`TensorBoard: tensorboard --logdir ${path.join(headFolder(home), 'metrics')}\n`)
}

/** The figures as people read them: a chart of the loss, a line of the speed, a table of the newest rounds. */
function metricsText(metrics: readonly MetricLine[]): string {
  const evaluations = metrics.filter(({ heldOutLossNats }) => heldOutLossNats !== undefined)
  const rounds = metrics.filter(({ heldOutLossNats }) => heldOutLossNats === undefined)
  const losses = rounds.flatMap(({ trainLossNats }) => (trainLossNats == null ? [] : [trainLossNats]))
  const speeds = rounds.map(({ tokensPerSecond }) => tokensPerSecond ?? 0)
  const heldOut = evaluations
    .toSorted((a, b) => a.step - b.step)
    .map(
      ({ step, heldOutLossNats, heldOutAccuracy }) =>
        `${heldOutLossNats!.toFixed(3)}${heldOutAccuracy === undefined ? '' : ` (${percent(heldOutAccuracy)} right)`} after ${step}`,
    )
  return [
    'training loss by round',
    ...lossChart(losses),
    ...(heldOut.length > 0 ? [`held-out loss: ${heldOut.join(', ')} rounds`] : []),
    ...(rounds.length > 0 ? [`tokens/s: ${sparkline(speeds)} ${Math.round(speeds.at(-1)!)}`, ''] : []),
    ...table(
      ['round', 'epoch', 'loss', 'tokens', 'tokens/s', 'seconds', 'bytes', 'workers', 'refused'],
      rounds
        .slice(-shownRounds)
        .map((line) => [
          String(line.step),
          String((line.epoch ?? 0) + 1),
          line.trainLossNats == null ? 'void' : line.trainLossNats.toFixed(3),
          (line.tokens ?? 0).toLocaleString('en'),
          line.tokensPerSecond ? Math.round(line.tokensPerSecond).toLocaleString('en') : '',
          line.seconds ? line.seconds.toFixed(1) : '',
          line.bytes ? bytes(line.bytes) : '',
          String(line.workers ?? 0),
          String(line.refused ?? 0),
        ]),
    ),
  ].join('\n')
}

const bars = '▁▂▃▄▅▆▇█'

/** One character a value, the newest 60; the highest is full. */
function sparkline(values: readonly number[]): string {
  const newest = values.slice(-60)
  const top = Math.max(...newest, Number.MIN_VALUE)
  return newest.map((value) => bars[Math.round((Math.max(0, value) / top) * (bars.length - 1))]).join('')
}
