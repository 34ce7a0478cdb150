/**
 * The figures of a cluster, each beside its reference in the same run where that can be installed.
 * Usage: npm run bench:cluster -- [--repeat 3] [--ray VENV | --no-ray] [--only start,help,mesh,placement,api,failover,journal]
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { command, murmur } from './cluster-command.ts'
import { measureFailover } from './cluster-failover.ts'
import { measureJournal } from './cluster-journal.ts'
import { measureMesh } from './cluster-mesh.ts'
import { rayEnvironment, rayStart } from './cluster-ray.ts'
import { beside, median, noise, times } from './cluster-samples.ts'
import { ourStart, type StartTimes } from './cluster-start.ts'

const { values: given } = parseArgs({
  allowNegative: true,
  options: {
    repeat: { type: 'string', default: '3' },
    ray: { type: 'string' },
    'no-ray': { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})
const repeat = Math.max(1, Number(given.repeat))
const say = (text: string) => void process.stdout.write(`${text}\n`)

async function repeated<T>(measure: () => Promise<T>): Promise<T[]> {
  const found: T[] = []
  for (let index = 0; index < repeat; index++) found.push(await measure())
  return found
}

// Node reads `--no-ray` as `ray: false` too.
const withoutRay = given['no-ray'] || (typeof given.ray !== 'string' && given.ray !== undefined)
const ray = async () => (withoutRay ? null : await rayEnvironment(given.ray, say))

/** Each of these says what it measured. */
const sections: Readonly<Record<string, () => Promise<void>>> = {
  help: async () => {
    await murmur(['--help'])
    const ours = (await repeated(() => murmur(['--help']))).map(({ tookMs }) => tookMs)
    const bare = (await repeated(() => command(process.execPath, ['-e', '0']))).map(({ tookMs }) => tookMs)
    say(beside('murmur --help', ours, { name: 'node -e 0', values: bare }, 150))
    const environment = await ray()
    if (environment === null) return
    const program = path.join(environment, 'bin', 'ray')
    await command(program, ['--help'])
    const theirs = (await repeated(() => command(program, ['--help']))).map(({ tookMs }) => tookMs)
    say(`ray --help: ${times(theirs)}`)
  },
  start: async () => {
    const environment = await ray()
    const [ours, theirs]: [StartTimes[], StartTimes[]] = [[], []]
    // In turn, so that what else this machine does meets both alike.
    for (let index = 0; index < repeat; index++) {
      ours.push(await ourStart())
      if (environment !== null) theirs.push(await rayStart(environment))
    }
    const line = (what: string, of: keyof StartTimes, goalMs: number, name: string) => {
      const reference = { name, values: theirs.map((all) => all[of]) }
      say(
        beside(
          what,
          ours.map((all) => all[of]),
          environment === null ? null : reference,
          goalMs,
        ),
      )
    }
    line('murmur start --head --detach, until it is ready', 'headMs', 2_000, 'ray start --head')
    line('murmur start --address --detach, until it has joined', 'joinMs', 2_000, 'ray start --address')
    line(
      'murmur run, until the first inner step may begin',
      'submitMs',
      3_000,
      'ray job submit, until its first task runs',
    )
  },
  mesh: async () => {
    const { hosts, connections, formMs, roundMs } = await measureMesh(64, 3)
    say(`${hosts} libp2p hosts in one process, ${connections} connections: formed in ${times([formMs])}`)
    say(`a round of theirs (open, ${hosts - 1} commits, done at all): ${times(roundMs)}`)
  },
  placement: async () => {
    const { stdout } = await command(process.execPath, [path.join(import.meta.dirname, 'placement.ts')])
    say(stdout.trimEnd())
    const rate = Number(/from nothing: .*?(\d+) assignments\/s/.exec(stdout)?.[1])
    say(
      `assignments: ${rate} a second; Ray published 355 tasks a second, ratio ${(rate / 355).toFixed(1)}; goal from 1000: ${rate >= 1_000 ? 'met' : 'MISSED'}`,
    )
  },
  api: async () => {
    const { stdout } = await command(process.execPath, [path.join(import.meta.dirname, 'api.ts')], {
      timeoutMs: 300_000,
    })
    say(stdout.trimEnd())
    say('Ray published 40 ms at 250 nodes')
  },
  failover: async () => {
    const found = await repeated(measureFailover)
    say(`head killed, until the standby leads the run: ${times(found.map(({ leadsMs }) => leadsMs))}`)
    const manifests = found.map(({ manifestMs }) => manifestMs)
    say(beside('head killed, until the first manifest of the new term', manifests, null, 5_000))
    const lost = found.reduce((sum, { lostEpochs }) => sum + lostEpochs, 0)
    const rounds = times(found.map(({ roundMs }) => roundMs))
    say(`of that, one round takes ${rounds}; epochs lost: ${lost}, goal 0: ${lost === 0 ? 'met' : 'MISSED'}`)
  },
  journal: async () => {
    const found = await repeated(() => measureJournal(500))
    const of = (key: keyof (typeof found)[number]) => median(found.map((rates) => rates[key]))
    const [one, together, plain] = [of('oneByOne'), of('together'), of('plainFile')]
    say(
      `journal: ${one.toFixed(0)} durable records a second one by one, ${together.toFixed(0)} with 64 waiting at once; a plain file with fdatasync ${plain.toFixed(0)}, ratios ${(one / plain).toFixed(2)} and ${(together / plain).toFixed(1)}`,
    )
  },
}

const chosen = given.only?.split(',') ?? Object.keys(sections)
say(`${noise()}; Node ${process.versions.node}; medians of ${repeat}`)
let failed = false
for (const name of chosen) {
  const measure = sections[name]
  if (measure === undefined) throw new Error(`--only ${name}: there are ${Object.keys(sections).join(', ')}`)
  say(`\n${name}`)
  try {
    await measure()
  } catch (error) {
    failed = true
    say(`not measured: ${error instanceof Error ? error.message : error}`)
  }
}
say(`\n${noise()}`)
process.exit(failed ? 1 : 0)
