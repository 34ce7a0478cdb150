import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectApi } from '../cli/api-client.ts'
import { mobyDick } from '../worker/data/moby-dick.ts'
import { inFolder, murmur } from './cluster-command.ts'

export interface StartTimes {
  /** The command that starts it, from when it is typed to when it returns. */
  readonly headMs: number
  readonly joinMs: number
  /** From when the submitting command is typed to when the first work begins. */
  readonly submitMs: number
}

const waitMs = 60_000

/** Murmur's three: `start --head --detach`, `start --address … --detach`, `run … --detach` until round 0 is open. */
export function ourStart(): Promise<StartTimes> {
  return inFolder('murmur-bench', stopAll, async (home) => {
    const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--home', home, '--detach']
    const head = await murmur(['start', '--head', '--api-port', '0', ...listen])
    const { addresses } = JSON.parse(await readFile(path.join(home, 'head', 'ready.json'), 'utf8'))
    const worker = await murmur(['start', '--address', addresses[0], '--no-pay', ...listen])
    const file = await runFile(home)
    const begun = performance.now()
    const submitting = murmur(['run', file, '--home', home, '--detach'])
    const api = await connectApi(home)
    // The worker begins its first inner step when it is told that the round is open.
    for (;;) {
      const { runs } = await api.status()
      if (runs.some(({ phase }) => phase === 'train')) break
      if (performance.now() - begun > waitMs) throw new Error(`the run is ${JSON.stringify(runs)}`)
      await sleep(10)
    }
    const submitMs = performance.now() - begun
    await submitting
    return { headMs: head.tookMs, joinMs: worker.tookMs, submitMs }
  })
}

const stopAll = async (home: string): Promise<void> => void (await murmur(['stop', '--home', home]))

/** 40 kB of text, 5,000 parameters: what is measured is the cluster. */
export async function runFile(home: string): Promise<string> {
  await writeFile(path.join(home, 'text.txt'), (await mobyDick()).subarray(0, 40_000))
  const file = path.join(home, 'run.yaml')
  await writeFile(
    file,
    `name: bench
data: {file: text.txt}
model: {layers: 1, width: 16, heads: 2, context: 16}
train: {batch: 2, innerSteps: 60, roundsPerEpoch: 2, epochs: 12}
workers: {min: 1, adaptive: false}
`,
  )
  return file
}
