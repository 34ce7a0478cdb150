import type { Cell, CodecSpec, Course, Sync } from './cell.ts'

const course = (value: Course): string =>
  typeof value === 'number' ? `${value}` : `${value.from} to ${value.to}`

const codec = (spec: CodecSpec): string => {
  if (spec.kind === 'f32') return 'f32'
  const decay = spec.beta === 1 ? '' : `, β ${spec.beta}`
  if (spec.kind === 'sparse') return `sparse k ${course(spec.k)}${decay}`
  const block = spec.kind === 'sign' && spec.blockSize !== undefined ? ` of ${spec.blockSize}` : ''
  return `${spec.kind}${block}${decay}`
}

export const optimizers = { adamw: 'AdamW', muon: 'Muon', normuon: 'NorMuon' } as const

/** What a cell is called in tables, and what `--only` looks into. */
export function describe({ inner, sync, workers }: Cell): string {
  const rest = inner.momentum === undefined ? '' : `, momentum ${inner.momentum}`
  const floor = inner.finalLearningRate === undefined ? '' : ` to ${inner.finalLearningRate} of it`
  const own = `${optimizers[inner.optimizer]} ${inner.learningRate}${floor}${rest}`
  if (sync === 'every-step') return workers === 1 ? `one worker, ${own}` : `DDP, ${own}`
  return `${averaging(sync)}, ${own}`
}

/** Without the inner optimizer. */
function averaging(sync: Sync): string {
  const { when, innerSteps, codec: spec, averageTopK, outer, last, residual, firstMoment } = sync
  const { learningRate, momentum } = outer
  const notes = [
    when === 'blocking' ? '' : when,
    `H ${course(innerSteps)}`,
    codec(spec),
    averageTopK === undefined ? '' : `average of ${averageTopK}`,
    momentum > 0 ? `Nesterov ${learningRate}/${momentum}` : learningRate === 1 ? '' : `outer ${learningRate}`,
    last === undefined ? '' : `last ${codec(last.codec)} outer ${last.learningRate}`,
    residual === 'held' ? '' : 'residual trained',
    firstMoment === 'kept' ? '' : `moment ${firstMoment}`,
  ]
  return notes.filter((note) => note !== '').join(', ')
}
