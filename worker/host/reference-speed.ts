import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { writeDurably } from '../../checkpoints/durable-file.ts'
import { initialWeights } from '../../program/initial-weights.ts'
import { defaultModel } from '../../program/model-spec.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import type { Engine } from '../engine/engine.ts'

/** Raised whenever the reference program or the way of measuring changes: figures of another one cannot be compared. */
const referenceVersion = 1
/** The first step allocates, and is not what training is like. */
const warmUpSteps = 1

const cacheSchema = z.object({
  reference: z.literal(referenceVersion),
  engineClass: z.string(),
  tokensPerSecond: z.number().positive(),
})

const cacheFile = (folder: string): string => path.join(folder, 'speed.json')

/**
 * Tokens a second of this engine on the reference program, the default GPT: real steps, of which the fastest counts, since
 * what else the host does can only slow one down.
 * @param steps how many are measured, about 0.1 s each
 */
export async function measureSpeed(engine: Engine, steps: number, signal: AbortSignal): Promise<number> {
  const { batch, context } = defaultModel
  const { training, table } = buildTrainingProgram(defaultModel)
  const session = await engine.loadTraining(training, signal)
  try {
    const params = initialWeights(table, 0)
    await session.writeState({
      params,
      optimizer: session.info.optimizerSlots.map(() => new Float32Array(params.length)),
      step: 0,
    })
    const tokens = BigInt64Array.from({ length: batch * context }, (_, index) => BigInt(index % 251))
    let fastestMs = Number.POSITIVE_INFINITY
    for (let step = 0; step < warmUpSteps + steps; step++) {
      signal.throwIfAborted()
      const start = performance.now()
      await session.step({ inputs: tokens, targets: tokens }, { learningRate: 1e-3 })
      if (step >= warmUpSteps) fastestMs = Math.min(fastestMs, performance.now() - start)
    }
    return (batch * context * 1_000) / fastestMs
  } finally {
    await session.close()
  }
}

/** What was measured here before with an engine of this class; undefined when nothing was. */
export async function knownSpeed(folder: string, engineClass: string): Promise<number | undefined> {
  try {
    const cache = cacheSchema.parse(JSON.parse(await readFile(cacheFile(folder), 'utf8')))
    return cache.engineClass === engineClass ? cache.tokensPerSecond : undefined
  } catch {
    // Missing, or of another version: measured again.
    return undefined
  }
}

/** Keeps a measurement for the next start. @throws MurmurError DISK_WRITE_FAILED */
export async function keepSpeed(folder: string, engineClass: string, tokensPerSecond: number): Promise<void> {
  const cache: z.input<typeof cacheSchema> = { reference: referenceVersion, engineClass, tokensPerSecond }
  await writeDurably(cacheFile(folder), new TextEncoder().encode(`${JSON.stringify(cache)}\n`))
}
