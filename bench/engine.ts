/**
 * A training step of the engine against PyTorch's, eager and compiled: the same model, batch, AdamW, clipping and number of
 * threads, in turns in one run. Medians of at least 30 steps after warm-up, tokens or rows a second, and the share of what
 * the cores were measured to do at best (PyTorch's product of two 1024 × 1024 matrices).
 * Usage: node bench/engine.ts [--python FILE, a Python with torch] [--engine ort-cpu] [--threads 1,2] [--models gpt-0.9M,…]
 *        [--steps 30]
 */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { initialWeights } from '../program/initial-weights.ts'
import type { ModelSpec } from '../program/model-spec.ts'
import { operationsPerToken } from '../program/operations.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { createEngine } from '../worker/engine/create-engine.ts'
import type { EngineName } from '../worker/engine/engine-names.ts'
import { parseEngine } from '../worker/engine/engine-names.ts'
import { openTorch, type Torch } from './engine-torch.ts'

const { values: given } = parseArgs({
  options: {
    python: { type: 'string', default: path.join(tmpdir(), 'murmur-torch/bin/python') },
    engine: { type: 'string', default: 'ort-cpu' },
    threads: { type: 'string', default: '1,2' },
    models: { type: 'string', default: 'gpt-0.9M,gpt-11M,cnn' },
    steps: { type: 'string', default: '30' },
  },
})

const models: ReadonlyMap<string, ModelSpec> = new Map<string, ModelSpec>([
  ['gpt-0.9M', { preset: 'gpt', layers: 4, width: 128, heads: 4, context: 64, batch: 16 }],
  ['gpt-11M', { preset: 'gpt', layers: 6, width: 384, heads: 6, context: 256, batch: 8 }],
  ['cnn', { preset: 'cnn', channels: 1, height: 28, width: 28, filters: [16, 32], classes: 10, batch: 64 }],
])

const warmUpSteps = 3
/** Steps that each takes before the other's turn: what else the host does then falls on all of them alike. */
const stepsPerTurn = 3
const steps = Number(given.steps)

interface Contender {
  readonly name: string
  /** Milliseconds of each of so many steps. */
  take(count: number): Promise<readonly number[]>
}

async function ours(engine: EngineName, threads: number, spec: ModelSpec) {
  const { training, table } = buildTrainingProgram(spec)
  const session = await (await createEngine(engine, { threads })).loadTraining(training)
  const { info } = session
  const optimizer = info.optimizerSlots.map(() => new Float32Array(table.count))
  await session.writeState({ params: initialWeights(table, 1), optimizer, step: 0 })
  const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)
  const labels = (length: number) =>
    BigInt64Array.from({ length }, (_, index) => BigInt((index * 7919) % info.logits.at(-1)!))
  const rows = Float32Array.from(
    { length: count(info.inputs.shape) },
    (_, index) => ((index * 31) % 256) / 256,
  )
  const batch = {
    inputs: info.inputs.type === 'int64' ? labels(rows.length) : rows,
    targets: labels(count(info.targets.shape)),
  }
  const take = async (steps: number) => {
    const ms: number[] = []
    for (let step = 0; step < steps; step++) {
      const start = performance.now()
      await session.step(batch, { learningRate: 1e-3 })
      ms.push(performance.now() - start)
    }
    return ms
  }
  const contender: Contender = { name: engine, take }
  return { contender, close: () => session.close(), parameters: table.count, tokens: info.tokensPerStep }
}

const theirs = (torch: Torch, mode: 'eager' | 'compile', parameters: number): Contender => ({
  name: `PyTorch ${mode}`,
  async take(count) {
    const answer = await torch.steps(mode, count)
    if (answer.parameters !== parameters)
      throw new Error(`PyTorch's model has ${answer.parameters} parameters, ours ${parameters}`)
    return answer.ms
  },
})

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

async function measure(contenders: readonly Contender[]): Promise<ReadonlyMap<string, number>> {
  const taken = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (const { take } of contenders) await take(warmUpSteps)
  for (let done = 0; done < steps; done += stepsPerTurn)
    for (const { name, take } of contenders) taken.get(name)!.push(...(await take(stepsPerTurn)))
  return new Map([...taken].map(([name, ms]) => [name, median(ms)]))
}

async function compare(name: string, spec: ModelSpec, threads: number, engine: EngineName): Promise<void> {
  const { contender, close, parameters, tokens } = await ours(engine, threads, spec)
  const torch = existsSync(given.python) ? await openTorch(given.python, spec, threads) : null
  try {
    const others = torch === null ? [] : (['eager', 'compile'] as const)
    const medians = await measure([contender, ...others.map((mode) => theirs(torch!, mode, parameters))])
    const peak = torch === null ? null : await torch.peak()
    const gflops = (operationsPerToken(spec, parameters) * tokens) / 1e9
    console.log(
      `\n${name}, ${parameters.toLocaleString('en')} parameters, batch of ${tokens}, ${threads} thread(s)`,
    )
    const best = Math.min(...[...medians].filter(([who]) => who !== engine).map(([, ms]) => ms))
    for (const [who, ms] of medians) {
      const rate = `${Math.round((tokens / ms) * 1000).toLocaleString('en')}/s`
      const share = peak === null ? '' : `${((100 * gflops * 1000) / ms / peak).toFixed(0)} % of peak`
      const ratio = who === engine && torch !== null ? `${(best / ms).toFixed(2)} × PyTorch's best` : ''
      const row = [
        who.padEnd(16),
        `${ms.toFixed(1)} ms`.padStart(11),
        rate.padStart(11),
        share.padStart(14),
        ratio,
      ]
      console.log(row.join('  ').trimEnd())
    }
    const eager = medians.get('PyTorch eager')
    if (eager !== undefined)
      console.log(
        `${(eager / medians.get(engine)!).toFixed(2)} × PyTorch eager; peak ${peak!.toFixed(0)} GFLOP/s`,
      )
  } finally {
    await close()
    torch?.close()
  }
}

const engine = parseEngine(given.engine)
if (engine === 'auto') throw new Error('name one engine')
if (!existsSync(given.python))
  console.log(
    `no PyTorch at ${given.python}: make an environment with torch, and name its python by --python`,
  )
for (const threads of given.threads.split(',').map(Number)) {
  for (const name of given.models.split(',')) {
    const spec = models.get(name)
    if (spec === undefined) throw new Error(`there is no model ${name}: ${[...models.keys()].join(', ')}`)
    await compare(name, spec, threads, engine)
  }
}
