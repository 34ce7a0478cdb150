import { averagingOf, initialState } from '../aggregation/averaging.ts'
import { defaultModel, type ModelSpec } from '../program/model-spec.ts'
import { programOptions } from '../program/program-options.ts'
import { readRunModel } from '../program/run-model.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { contentId } from '../protocol/content-id.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import {
  emptyLocalState,
  localShape,
  localStateDigest,
  packLocalState,
  unpackLocalState,
} from '../verification/local-state.ts'
import { assignedShards } from '../worker/data/assignment.ts'
import { batchSource } from '../worker/data/batch-source.ts'
import { mobyDick } from '../worker/data/moby-dick.ts'
import { shardText } from '../worker/data/shards.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { trainRound } from '../worker/train-round.ts'
import type { Inputs, Output, Training } from './training.ts'

/** The built-in model of 868,000 parameters, and one of 12,000 that trains a step in a millisecond. */
export const gptModels = {
  gpt: defaultModel,
  'gpt-tiny': { ...defaultModel, layers: 1, width: 16, heads: 2, context: 16, batch: 4 },
} as const satisfies Record<string, ModelSpec>

export type GptName = keyof typeof gptModels

const textBytes = 60_000

/**
 * The slow mode: what workers run, on this host's processor. The program that `murmur run` builds for the model, real text
 * in real shards, worker/train-round.ts on onnxruntime, and the run's own compressor; an audit replays the very same. Each
 * round is trained after the one before it, on one session, so that equal seeds are equal histories.
 */
export async function gptTraining(
  name: GptName,
  { seed, rounds }: { readonly seed: number; readonly rounds: number },
): Promise<Training & AsyncDisposable> {
  const model = gptModels[name]
  const { batch, ...shape } = model
  const train = { batch, innerSteps: 4, roundsPerEpoch: 2, epochs: Math.ceil(rounds / 2), seed }
  const spec = parseRunFile(
    { model: shape, train: { ...train, learningRate: 0.003, warmupSteps: 4 }, audit: { segments: 2 } },
    'the simulated run',
  )
  const program = buildTrainingProgram(model, programOptions(spec.train)).training
  const runModel = readRunModel(program)
  const { parameterCount, moments, initialWeights } = runModel
  const batches = batchSource({ kind: 'bytes' }, runModel)
  const { context } = model
  const { shards } = shardText((await mobyDick()).subarray(0, textBytes), { context, shardTokens: 8_192 })
  const session = await ortCpuEngine().loadTraining(program)
  const averaging = averagingOf(spec)

  const localOf = localShape({ parameterCount, moments }, averaging)

  async function round({ local, memberCount, ...inputs }: Inputs): Promise<Output> {
    const place = { seed, members: memberCount, slot: inputs.slot, shardCount: shards.length }
    const outputs = await trainRound(
      {
        ...inputs,
        ...{ spec, session, averaging, batches },
        shards: assignedShards(place).map((index) => shards[index]!),
        local: unpackLocalState(local, localOf),
        localDigest: localStateDigest(local),
      },
      new AbortController().signal,
    )
    const { contribution: bytes, localBlock, trace, tokens, lossNats } = outputs
    return { contribution: contentId(bytes, 'raw'), bytes, local: localBlock, trace, tokens, lossNats }
  }

  let last: Promise<unknown> = Promise.resolve()
  return {
    ...{ parameterCount, averaging, innerSteps: train.innerSteps, segments: spec.audit.segments },
    tokensPerStep: batch * context,
    initial: initialState(initialWeights(seed), averaging),
    emptyLocal: packLocalState(emptyLocalState(localOf)),
    train(inputs) {
      const trained = last.then(() => round(inputs))
      last = trained.catch(() => {})
      return trained
    },
    distance: () => null,
    [Symbol.asyncDispose]: () => session.close(),
  }
}
