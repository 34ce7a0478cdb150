import type { RunModel } from '../../program/run-model.ts'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import type { Batch } from '../engine/engine.ts'
import { batchAt, heldOutBatches } from './batches.ts'
import type { BatchPlace } from './draws.ts'
import type { DataFormat, RowsFormat } from './format.ts'
import { rowValues } from './format.ts'
import { heldOutRows, rowBatchAt } from './row-batches.ts'

/** How the shards of one run become batches of its program. Pure: equal arguments give equal bits on every host. */
export interface BatchSource {
  /** What a step is counted as: tokens of text, rows of anything else. */
  readonly tokensPerStep: number
  /** The batch of one inner step, of the shards of the member whose slot it is. */
  at(place: BatchPlace, shards: readonly Uint8Array[]): Batch
  /** What an evaluation measures: at most `maxBatches` full batches, spread evenly over the shards, each made when asked for. */
  heldOut(shards: readonly Uint8Array[], maxBatches: number): Iterable<Batch>
}

type Signature = Pick<RunModel, 'task' | 'inputs' | 'targets' | 'tokensPerStep'>

/** @throws MurmurError DATA_MISFIT: the program takes other batches than the data gives. */
export function batchSource(format: DataFormat, program: Signature): BatchSource {
  const { tokensPerStep } = program
  if (format.kind === 'rows') {
    assertRowsFit(format, program)
    const batch = program.inputs.shape[0]!
    return {
      tokensPerStep,
      at: (place, shards) => rowBatchAt(place, batch, shards, format),
      heldOut: (shards, maxBatches) => heldOutRows(shards, batch, maxBatches, format),
    }
  }
  const [batch, context, ...more] = program.inputs.shape
  if (program.task !== 'language' || context === undefined || more.length > 0)
    throw misfit(`the data is text, the program is for a ${program.task}`)
  invariant(batch !== undefined, 'a batch has rows')
  const width = format.kind === 'bytes' ? 1 : format.width
  return {
    tokensPerStep,
    at: (place, shards) => batchAt({ ...place, batch, context }, shards, width),
    heldOut: (shards, maxBatches) => heldOutBatches(shards, { batch, context }, maxBatches, width),
  }
}

function assertRowsFit(format: RowsFormat, { task, inputs, targets }: Signature): void {
  const ofData = format.targets.type === 'f32' ? 'regression' : 'classification'
  if (ofData !== task) throw misfit(`the data is for a ${ofData}, the program for a ${task}`)
  const [batch, ...row] = inputs.shape
  const values = row.reduce((product, size) => product * size, 1)
  if (inputs.type !== 'float32' || values !== rowValues(format))
    throw misfit(
      `a row of the data has ${rowValues(format)} values, the program takes ${values} of ${inputs.type}`,
    )
  const told = targets.shape.reduce((product, size) => product * size, 1) / batch!
  const wanted = format.targets.type === 'f32' ? format.targets.values : 1
  if (told !== wanted) throw misfit(`a row of the data has ${wanted} targets, the program takes ${told}`)
}

function misfit(message: string): MurmurError {
  return new MurmurError('DATA_MISFIT', {
    message,
    next: 'give the model the sizes of the data, or leave them out of the run file',
    exit: 'usage',
  })
}
