import type { Cell, CodecSpec, Inner, Sync, TaskName } from './cell.ts'

interface Group {
  readonly task: TaskName
  readonly steps: number
  readonly workers: number
  readonly seed?: number
  /**
   * All cells of the comparison, or those at the frontier of loss and bytes with their references, or what images want, or the
   * way from plain signs to the gentle recipes, one change at a time; or these alone, with synchronous training.
   */
  readonly extent: 'all' | 'frontier' | 'gentle' | 'labelled' | 'search' | 'short'
}

/** What matters most first: a run that is stopped early has measured that. 800 steps of `mini` are 19 R tokens a parameter. */
const groups: readonly Group[] = [
  { task: 'gpt', steps: 200, workers: 4, extent: 'frontier' },
  { task: 'mnist', steps: 200, workers: 4, extent: 'labelled' },
  { task: 'mnist-by-label', steps: 200, workers: 4, extent: 'labelled' },
  { task: 'mini', steps: 800, workers: 4, extent: 'all' },
  { task: 'mini', steps: 800, workers: 8, extent: 'frontier' },
  { task: 'gpt', steps: 800, workers: 4, extent: 'frontier' },
  { task: 'mini', steps: 800, workers: 2, extent: 'frontier' },
  { task: 'mini', steps: 800, workers: 4, seed: 2, extent: 'frontier' },
  { task: 'mini', steps: 800, workers: 4, seed: 3, extent: 'frontier' },
  { task: 'mini', steps: 200, workers: 4, extent: 'frontier' },
  { task: 'mini', steps: 3_200, workers: 4, extent: 'frontier' },
  { task: 'gpt', steps: 200, workers: 4, extent: 'all' },
  { task: 'gpt', steps: 800, workers: 8, extent: 'frontier' },
  { task: 'gpt', steps: 200, workers: 2, extent: 'all' },
  { task: 'gpt', steps: 200, workers: 8, extent: 'all' },
  { task: 'gpt', steps: 5_000, workers: 4, extent: 'frontier' },
  { task: 'mini', steps: 800, workers: 8, seed: 2, extent: 'gentle' },
  { task: 'mini', steps: 800, workers: 8, seed: 3, extent: 'gentle' },
  { task: 'mini', steps: 800, workers: 8, extent: 'search' },
  { task: 'mini', steps: 360, workers: 4, extent: 'short' },
  { task: 'gpt', steps: 800, workers: 8, seed: 2, extent: 'gentle' },
  { task: 'gpt', steps: 800, workers: 4, seed: 2, extent: 'frontier' },
]

/** The cells in the order in which they are trained. */
export function plan(): Cell[] {
  const seen = new Set<string>()
  return groups.flatMap(cellsOf).filter((cell) => {
    const text = JSON.stringify(cell)
    return !seen.has(text) && seen.add(text)
  })
}

/** Learning rates are the best of those tried for synchronous data parallelism; averaging does not want others. */
const rates = {
  test: 0.01,
  micro: 0.01,
  mini: 0.01,
  gpt: 0.003,
  mnist: 0.01,
  'mnist-by-label': 0.01,
} as const
const warmupSteps = 20

const diLoCo = { outer: { learningRate: 0.7, momentum: 0.9 } }
const f32: CodecSpec = { kind: 'f32' }
const quantized = (kind: 'int8' | 'int4' | 'sign'): CodecSpec => ({ kind, beta: 1 })
const sparse = (k: number, beta = 1): CodecSpec => ({ kind: 'sparse', k, beta })

const sync = (innerSteps: Sync['innerSteps'], codec: CodecSpec, more: Partial<Sync> = {}): Sync => ({
  ...{ when: 'blocking', innerSteps, codec, outer: { learningRate: 1, momentum: 0 } },
  ...{ residual: 'held', firstMoment: 'kept' },
  ...more,
})

function cellsOf({ task, steps, workers, seed = 1, extent }: Group): Cell[] {
  const adamw: Inner = { optimizer: 'adamw', learningRate: rates[task], warmupSteps }
  const muon: Inner = { optimizer: 'muon', learningRate: 0.01, warmupSteps, momentum: 0.9 }
  const cell = (inner: Inner, how: Cell['sync'], members = workers): Cell => ({
    ...{ task, seed, steps, workers: members, inner, sync: how },
  })
  const references = [
    cell(adamw, 'every-step'),
    cell(muon, 'every-step'),
    cell(adamw, 'every-step', 1),
    cell(muon, 'every-step', 1),
  ]
  const gentle: Inner = { ...muon, finalLearningRate: 0.3 }
  const normuon: Inner = { ...muon, optimizer: 'normuon' }
  const gentles = [gentle, { ...normuon, finalLearningRate: 0.3 }].flatMap((inner) =>
    bestSyncs.map((how) => cell(inner, how)),
  )
  const normalized = cell(normuon, 'every-step')
  if (extent === 'gentle') return [...references.slice(0, 2), normalized, ...gentles]
  const frontier = [
    ...[cell(gentle, 'every-step'), normalized],
    ...gentles,
    ...defaultSyncs.flatMap((how) => [cell(muon, how), cell(normuon, how)]),
    ...[muon, adamw].flatMap((inner) => frontierSyncs.map((how) => cell(inner, how))),
  ]
  if (extent === 'frontier') return [...references, ...frontier]
  if (extent === 'search')
    return searched.map(([floor, how]) => cell({ ...muon, finalLearningRate: floor }, how))
  if (extent === 'short') {
    return [
      ...[muon, normuon].map((inner) => cell(inner, signs(60, 0.7, 4096, 1.4))),
      ...[0.1, 0.3].flatMap((floor) =>
        [1.4, 1.6].map((rate) => cell({ ...muon, finalLearningRate: floor }, signs(60, 0.7, 512, rate))),
      ),
    ]
  }
  if (extent === 'labelled') {
    const others = [
      { ...adamw, learningRate: 0.003 },
      { ...muon, learningRate: 0.03 },
    ]
    return [
      ...references,
      ...others.map((inner) => cell(inner, 'every-step')),
      ...[adamw, muon].flatMap((inner) => labelledSyncs.map((how) => cell(inner, how))),
    ]
  }
  const twice = { ...adamw, learningRate: adamw.learningRate * 2 }
  const usual = { ...muon, momentum: 0.95 }
  return [
    ...references,
    ...frontier,
    ...[cell(twice, 'every-step'), cell(usual, 'every-step'), cell(twice, sync(25, f32))],
    ...[muon, adamw].flatMap((inner) => otherSyncs.map((how) => cell(inner, how))),
    cell(usual, sync(43, quantized('sign'))),
  ]
}

/** Many updates go against each other in a mean, and more so coarse ones: a longer outer step makes up for it. */
const longer = { outer: { learningRate: 1.4, momentum: 0 } }

const signs = (innerSteps: number, beta: number, blockSize: number, learningRate: number): Sync =>
  sync(innerSteps, { kind: 'sign', beta, blockSize }, { outer: { learningRate, momentum: 0 } })

const few = (innerSteps: number, k: number, beta: number, learningRate: number): Sync =>
  sync(innerSteps, sparse(k, beta), { outer: { learningRate, momentum: 0 } })

/** Where the inner rate ends, and how workers average; about 1,000 times fewer bytes than the ring at R = 8. */
const searched: readonly (readonly [floor: number, how: Sync])[] = [
  ...[0.02, 0.1, 0.3].map((floor) => [floor, signs(72, 1, 4096, 1.4)] as const),
  ...[0.7, 0.9].map((beta) => [0.1, signs(72, beta, 4096, 1.4)] as const),
  ...[0.8, 0.9].map((beta) => [0.3, signs(72, beta, 4096, 1.4)] as const),
  ...[0.5, 0.7, 0.9].map((beta) => [0.3, signs(72, beta, 256, 1.4)] as const),
  ...[32, 64, 128].map((block) => [0.3, signs(72, 0.7, block, 1.4)] as const),
  ...[1.2, 1.7].map((rate) => [0.3, signs(72, 0.7, 256, rate)] as const),
  [0.3, signs(80, 0.7, 256, 1.7)],
  ...[1, 1.4].map((rate) => [0.3, few(58, 512, 0.8, rate)] as const),
  [0.3, few(62, 512, 0.7, 1.6)],
  [0.3, few(37, 256, 0.8, 2)],
  [0.3, few(100, 1_024, 0.7, 1.6)],
  [0.3, few(25, 128, 0.8, 1.4)],
]

/**
 * A long outer step and a residual that fades: signs in small blocks, and few values. At R = 4 H 45 and 36, at R = 8 H 76 and 62
 * are 1,000 times fewer than the ring, and H 28 or 29 with the average from the head.
 */
const bestSyncs: readonly Sync[] = [
  ...[22, 45, 76].map((innerSteps) => signs(innerSteps, 0.7, 512, 1.6)),
  ...[18, 36, 62].map((innerSteps) => few(innerSteps, 512, 0.7, 2)),
  { ...few(28, 512, 0.7, 2.2), averageTopK: 2048 },
  { ...few(29, 512, 0.7, 2.5), averageTopK: 2048 },
]

/** What a run that says nothing does, at some H. */
const defaultSyncs: readonly Sync[] = [22, 44].map((innerSteps) => signs(innerSteps, 0.7, 4096, 1.4))

/** The best of what was tried, at many bytes and at few. Signs at
 * H 44 and 72 are 1,000 times fewer than the ring at R = 4 and 8. */
const frontierSyncs: readonly Sync[] = [
  sync(10, f32),
  sync({ from: 4, to: 100 }, quantized('int4')),
  sync(50, f32),
  ...[10, 22, 44, 50, 72].map((innerSteps) => sync(innerSteps, quantized('sign'), longer)),
  ...[22, 44].map((innerSteps) => sync(innerSteps, { kind: 'sign', beta: 0.9 }, longer)),
  sync(25, quantized('int4')),
]

/** Exact averages, the default of a run, and the winners on text, at two lengths of a round. */
const labelledSyncs: readonly Sync[] = [10, 50].flatMap((innerSteps) => [
  sync(innerSteps, f32),
  sync(innerSteps, sparse(128, 0.95)),
  sync(innerSteps, quantized('sign'), longer),
  sync(innerSteps, quantized('int4')),
  sync(innerSteps, quantized('int8')),
])

const otherSyncs: readonly Sync[] = [
  ...[25, 100].map((innerSteps) => sync(innerSteps, f32)),
  ...[25, 100].map((innerSteps) => sync(innerSteps, f32, diLoCo)),
  ...[10, 25, 50, 100].map((innerSteps) => sync(innerSteps, quantized('int8'))),
  ...[10, 50, 100].map((innerSteps) => sync(innerSteps, quantized('int4'))),
  sync(25, quantized('int8'), diLoCo),
  sync(25, quantized('int4'), diLoCo),
  ...[32, 64, 128, 256, 512].map((k) => sync(25, sparse(k))),
  sync(50, sparse(1_024)),
  sync(50, sparse(1_024), longer),
  sync({ from: 22, to: 100 }, quantized('sign')),
  sync({ from: 8, to: 80 }, sparse(256)),
  ...[25, 50].map((innerSteps) => sync(innerSteps, sparse(128, 0.95))),
  ...[64, 128].map((k) => sync({ from: 2, to: 40 }, sparse(k))),
  sync({ from: 17, to: 80 }, sparse(512)),
  sync(25, quantized('int4'), { when: 'eager' }),
  sync(25, quantized('int4'), { when: 'streaming' }),
  sync(100, quantized('int4'), { when: 'streaming' }),
  sync(43, quantized('sign'), { ...longer, when: 'streaming' }),
  sync(43, quantized('sign')),
  sync(43, quantized('sign'), longer),
  sync(43, quantized('sign'), { outer: { learningRate: 1.8, momentum: 0 } }),
  sync(53, quantized('sign'), { ...longer, last: { codec: quantized('int4'), learningRate: 1 } }),
  sync(43, quantized('sign'), { firstMoment: 'zeroed' }),
  sync(50, sparse(1_024), { residual: 'trained' }),
]
