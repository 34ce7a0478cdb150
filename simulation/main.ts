import { parseArgs } from 'node:util'
import { explain, failed, type Outcome, simulate } from './simulate.ts'

const usage = `npm run simulate -- [--seeds 1..200] [--minutes N] [--seed S [--trace]] [--workers N] [--rounds N]
  [--program gpt|gpt-tiny] [--json]`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1..200' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string' },
    rounds: { type: 'string' },
    program: { type: 'string', default: 'quadratic' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function whole(text: string, name: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  process.stderr.write(`${name} is a whole number, not "${text}"\n${usage}\n`)
  process.exit(2)
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return
  }
  const change = {
    ...(values.workers === undefined ? {} : { workers: whole(values.workers, '--workers') }),
    ...(values.rounds === undefined ? {} : { rounds: whole(values.rounds, '--rounds') }),
  }
  const play = await player(values.program)
  const onTrace = values.trace ? (line: string) => process.stdout.write(`${line}\n`) : undefined
  const [first, last] = values.seed === undefined ? values.seeds.split('..') : [values.seed, values.seed]
  const from = whole(first ?? '', '--seeds')
  // With a time and no end, seeds go on for as long as there is time.
  const until =
    values.minutes === undefined
      ? Number.POSITIVE_INFINITY
      : performance.now() + whole(values.minutes, '--minutes') * 60_000
  const to =
    values.minutes !== undefined && values.seed === undefined
      ? Number.POSITIVE_INFINITY
      : whole(last ?? first ?? '', '--seeds')

  const failures: Outcome[] = []
  const started = performance.now()
  let [played, events, virtualMs, trace] = [0, 0, 0, '']
  for (let seed = from; seed <= to && performance.now() < until; seed++) {
    const outcome = await play(seed, change, { onTrace })
    played++
    events += outcome.events
    virtualMs += outcome.virtualMs
    trace = outcome.trace
    if (!failed(outcome)) continue
    failures.push(outcome)
    process.stderr.write(`${explain(outcome)}\n`)
  }
  const seconds = (performance.now() - started) / 1000
  const summary = {
    seeds: played,
    failed: failures.map(({ seed }) => seed),
    events,
    virtualHours: virtualMs / 3_600_000,
    seconds,
    // Of the only seed: what equal seeds have in common.
    ...(played === 1 ? { trace } : {}),
  }
  process.stdout.write(
    values.json
      ? `${JSON.stringify(summary)}\n`
      : `${played} seeds, ${failures.length} failed; ${events} events, ${summary.virtualHours.toFixed(1)} h of virtual time in ${seconds.toFixed(1)} s${played === 1 ? `, trace ${trace.slice(0, 16)}` : ''}\n`,
  )
  if (failures.length > 0) process.exitCode = 1
}

/** The quadratic, or a real program, which is loaded only then. */
async function player(
  program: string,
): Promise<(...of: Parameters<typeof simulate>) => Outcome | Promise<Outcome>> {
  if (program === 'quadratic') return simulate
  if (program !== 'gpt' && program !== 'gpt-tiny') {
    process.stderr.write(`--program is quadratic, gpt or gpt-tiny, not "${program}"\n${usage}\n`)
    process.exit(2)
  }
  const { simulateProgram } = await import('./simulate-program.ts')
  return (...of) => simulateProgram(program, ...of)
}

await main()
