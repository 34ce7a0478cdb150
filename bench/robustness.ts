/**
 * What attackers do to a run's model under each aggregation rule: a small real model trained by ten workers, some of whom
 * attack, through the real compressor and the real admission. Prints a line a cell; played whole, writes docs/robustness.md.
 *
 * Usage: node bench/robustness.ts [--rules mean,krum] [--attacks zero,alie] [--attackers 1,2,3] [--seeds 1,2] [--json]
 *        [--results FILE]   where cells are kept, so that a bench that was stopped goes on
 */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { playCell } from './robustness/cell.ts'
import { robustnessPage } from './robustness/page.ts'
import { type Choice, everything, keyOf, members, ratioOf, rounds, slotsOf } from './robustness/plan.ts'
import { appendPlayed, readPlayed } from './robustness/results.ts'
import { openTask } from './robustness/task.ts'

const { values } = parseArgs({
  options: {
    rules: { type: 'string' },
    attacks: { type: 'string' },
    attackers: { type: 'string' },
    seeds: { type: 'string' },
    json: { type: 'boolean', default: false },
    results: { type: 'string', default: join(tmpdir(), 'murmur-robustness.jsonl') },
  },
})

/** A list given on the command line, of names that there are. */
function listed(option: 'rules' | 'attacks'): readonly string[] {
  const names = values[option]?.split(',') ?? everything[option]
  const unknown = names.find((name) => !everything[option].includes(name))
  if (unknown !== undefined)
    throw new Error(`--${option}: there is no ${unknown}, only ${everything[option].join(', ')}`)
  return names
}

function numbers(option: 'attackers' | 'seeds', max: number): readonly number[] {
  const given = values[option]?.split(',').map(Number) ?? everything[option]
  const wrong = given.find((value) => !Number.isInteger(value) || value < 0 || value > max)
  if (wrong !== undefined) throw new Error(`--${option}: whole numbers from 0 to ${max}`)
  return given
}

const choice: Choice = {
  rules: listed('rules'),
  attacks: listed('attacks'),
  attackers: numbers('attackers', members - 1),
  seeds: numbers('seeds', 1e6),
}
const outcomes = await readPlayed(values.results)
const tasks = {
  signs: await openTask({ rounds, sent: 'signs' }),
  fading: await openTask({ rounds, sent: 'fading' }),
  sparse: await openTask({ rounds, sent: 'sparse' }),
}
for (const slot of slotsOf(choice)) {
  const key = keyOf(slot)
  const kept = outcomes.get(key)
  const outcome = kept ?? (await playCell(tasks[slot.sent], { ...slot, members, rounds }))
  if (kept === undefined) await appendPlayed(values.results, { key, outcome })
  outcomes.set(key, outcome)
  const ratio = ratioOf(outcomes, slot, [slot.seed]) ?? Number.NaN
  if (values.json) console.log(JSON.stringify({ key, ratio, ...outcome }))
  else console.log(`${key}: ${outcome.lossNats.toFixed(4)} nats, ratio ${ratio.toFixed(3)}`)
}
await Promise.all(Object.values(tasks).map((task) => task[Symbol.asyncDispose]()))
const isWhole = !values.rules && !values.attacks && !values.attackers
if (isWhole) await writeFile('docs/robustness.md', robustnessPage(outcomes, choice.seeds))
