import { initialWeights } from '../../program/initial-weights.ts'
import { defaultModel } from '../../program/model-spec.ts'
import { buildTrainingProgram } from '../../program/training-program.ts'
import { errorText } from '../../protocol/errors.ts'
import { createEngine } from './create-engine.ts'
import { type EngineName, engineNames } from './engine-names.ts'
import type { ProbeAnswer } from './engines.ts'

/**
 * A process of its own: `node probe-engine.ts ENGINE` takes two steps of the default model on one thread and prints one
 * line of JSON. What native code does to a process when a driver is broken happens to this one.
 */
async function probe(name: EngineName): Promise<ProbeAnswer> {
  try {
    const engine = await createEngine(name)
    const { training, table } = buildTrainingProgram(defaultModel)
    const session = await engine.loadTraining(training)
    const zeros = () => new Float32Array(table.count)
    await session.writeState({ params: initialWeights(table, 0), optimizer: [zeros(), zeros()], step: 0 })
    const tokens = BigInt64Array.from({ length: session.info.tokensPerStep }, (_, index) =>
      BigInt(index % 251),
    )
    const step = () => session.step({ inputs: tokens, targets: tokens }, { learningRate: 1e-3 })
    // The first one allocates, and on graphics cards compiles.
    await step()
    const start = performance.now()
    const { lossNats } = await step()
    const stepMs = performance.now() - start
    await session.close()
    return { ok: true, engineClass: engine.engineClass, stepMs, lossNats, tokens: tokens.length }
  } catch (error) {
    return { ok: false, reason: errorText(error) }
  }
}

const name = engineNames.find((known) => known === process.argv[2])
if (name !== undefined) process.stdout.write(`${JSON.stringify(await probe(name))}\n`, () => process.exit(0))
