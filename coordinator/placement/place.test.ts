import { expect, test } from 'vitest'
import { runId } from '../../protocol/ids.ts'
import { applied, cuda, node, runOf } from './fixtures/views.ts'
import { place } from './place.ts'
import { type NodeView, type RunView, unlimited } from './views.ts'

const GiB = 2 ** 30
const nodes = (count: number, traits = {}) =>
  Array.from({ length: count }, (_, index) => node(`n${index}`, traits))

const workersOf = (placed: ReturnType<typeof place>, run: string) =>
  [...placed.assignments].filter(([, to]) => to === run).map(([worker]) => worker)

const pendingOf = (all: readonly NodeView[], ...runs: RunView[]) =>
  place(all, runs, unlimited).pending.get(runs.at(-1)!.run)!

test('minimums first, then targets, then what is left', () => {
  const first = runOf('first', { workers: { min: 2, target: 3 } })
  const second = runOf('second', { submittedAt: 1, workers: { min: 2, target: 3 } })
  const share = (count: number) => {
    const placed = place(nodes(count), [first, second], unlimited)
    return [workersOf(placed, 'first').length, workersOf(placed, 'second').length]
  }
  expect([3, 4, 5, 6, 10].map(share)).toEqual([
    [2, 0],
    [2, 2],
    [3, 2],
    [3, 3],
    [7, 3],
  ])
})

test('the higher priority is served first, and takes from nobody who has', () => {
  const low = runOf('low', { workers: { min: 4 } })
  const high = runOf('high', { submittedAt: 9, priority: 1, workers: { min: 4 } })
  const four = nodes(4)
  const alone = place(four, [low], unlimited)
  expect(workersOf(place(four, [low, high], unlimited), 'high')).toHaveLength(4)
  const later = place(applied(four, alone.assignments), [low, high], unlimited)
  expect(workersOf(later, 'low')).toHaveLength(4)
  expect(later.pending.get(high.run)).toMatchObject({ code: 'NODES_BUSY', have: 0, need: 4 })
})

test('small runs that keep coming do not starve a large one', () => {
  let cluster: readonly NodeView[] = nodes(4)
  const large = runOf('large', { submittedAt: 1.5, workers: { min: 4 } })
  let small: RunView[] = []
  // A small run comes every turn and lasts three.
  for (let turn = 0; turn < 12; turn++) {
    small = [...small, runOf(`small${turn}`, { submittedAt: turn, workers: { max: 1 } })].slice(-3)
    const { assignments } = place(cluster, turn < 2 ? small : [...small, large], unlimited)
    cluster = applied(cluster, assignments)
    if (cluster.every(({ run }) => run === large.run)) return
  }
  expect.unreachable('the large run never started')
})

test('what a waiting run cannot use is free for those behind it', () => {
  const waiting = runOf('waiting', { workers: { min: 2 }, resources: { device: 'cuda' } })
  const behind = runOf('behind', { submittedAt: 1 })
  const busy = runOf('busy', { phase: 'train', workers: { max: 1 } })
  const all = [
    node('gpu0', { devices: [cuda(8 * GiB)] }),
    node('gpu1', { devices: [cuda(8 * GiB)], run: busy.run }),
    node('cpu'),
  ]
  const placed = place(all, [waiting, behind, busy], unlimited)
  expect(workersOf(placed, 'behind')).toEqual(['cpu'])
  expect([...placed.reserved]).toEqual([['gpu0', 'waiting']])
})

test('a run that not even all nodes could start holds nobody up', () => {
  const huge = runOf('huge', { workers: { min: 32 } })
  const small = runOf('small', { submittedAt: 1 })
  expect(workersOf(place(nodes(4), [huge, small], unlimited), 'small')).toHaveLength(4)
})

test('a lost worker is replaced, one that drains is replaced while it finishes', () => {
  const run = runOf('run', { phase: 'train', workers: { min: 2, max: 2 } })
  const at = (traits = {}) => ({ run: run.run, ...traits })
  const lost = place([node('a', at()), node('b', at({ alive: false })), node('c')], [run], unlimited)
  expect(workersOf(lost, 'run')).toEqual(['a', 'c'])
  const leaving = place([node('a', at()), node('b', at({ draining: true })), node('c')], [run], unlimited)
  expect(workersOf(leaving, 'run').sort()).toEqual(['a', 'b', 'c'])
})

test('who comes back goes to the run that it knows', () => {
  const known = runOf('known', {
    submittedAt: 1,
    phase: 'train',
    members: [node('b').id],
    workers: { max: 2 },
  })
  const all = [node('a', { run: known.run }), node('b'), node('c', { tokensPerSecond: 1e6 })]
  expect(workersOf(place(all, [known], unlimited), 'known')).toEqual(['a', 'b'])
})

test('reliable before fast before near', () => {
  const run = runOf('run', { workers: { max: 1 } })
  const fast = node('fast', { tokensPerSecond: 500 })
  const flaky = node('flaky', { tokensPerSecond: 900, misses: 2 })
  const near = node('near', { tokensPerSecond: 500, roundTripMs: 5 })
  expect(workersOf(place([flaky, fast, near], [run], unlimited), 'run')).toEqual(['near'])
  expect(workersOf(place([flaky, fast], [run], unlimited), 'run')).toEqual(['fast'])
})

test('a measurement that wavers takes no worker from its run', () => {
  const run = runOf('run', { phase: 'train', resources: { minUpBytesPerSecond: '1MB' } })
  const slow = { upBytesPerSecond: 0.9e6 }
  expect(workersOf(place([node('a', { ...slow, run: run.run })], [run], unlimited), 'run')).toEqual(['a'])
  expect(workersOf(place([node('a', slow)], [run], unlimited), 'run')).toEqual([])
})

test('a run that settles keeps its workers and gets no new ones', () => {
  const run = runOf('run', { phase: 'settling' })
  const placed = place([node('a', { run: run.run }), node('b')], [run], unlimited)
  expect(workersOf(placed, 'run')).toEqual(['a'])
  expect(placed.pending.size).toBe(0)
})

test('quotas: as many runs and workers as an owner may have, and why not more', () => {
  const quotas = { default: unlimited.default, owners: new Map([['ada', { maxRuns: 1, maxWorkers: 3 }]]) }
  const [one, two, bobs] = [
    runOf('one'),
    runOf('two', { submittedAt: 1 }),
    runOf('bobs', { submittedAt: 2, owner: 'bob', workers: { min: 2 } }),
  ]
  const placed = place(nodes(6), [one, two, bobs], quotas)
  expect([one, two, bobs].map(({ name }) => workersOf(placed, name).length)).toEqual([3, 0, 3])
  expect(placed.pending.get(two.run)).toMatchObject({
    code: 'QUOTA_RUNS',
    text: 'ada has 1 of 1 runs at once',
  })
  const large = runOf('large', { workers: { min: 4 } })
  expect(place(nodes(6), [large], quotas).pending.get(large.run)).toMatchObject({
    code: 'QUOTA_WORKERS',
    text: 'ada may have 3 workers and has 0; this run needs 4',
  })
})

test('what an owner’s waiting run is promised is not taken by the owner’s others', () => {
  const quotas = { default: { maxRuns: 9, maxWorkers: 4 }, owners: new Map() }
  const grower = runOf('grower', { phase: 'train' })
  const waiting = runOf('waiting', { submittedAt: 1, workers: { min: 3 }, resources: { device: 'cuda' } })
  const gpus = nodes(3, { devices: [cuda(8 * GiB)] })
  const all = [
    ...gpus.slice(0, 2),
    { ...gpus[2]!, run: runId('others') },
    node('cpu0', { run: grower.run }),
    node('cpu1'),
  ]
  const others = runOf('others', { owner: 'bob', phase: 'train', workers: { max: 1 } })
  const placed = place(all, [grower, waiting, others], quotas)
  expect(workersOf(placed, 'grower')).toEqual(['cpu0'])
  expect(placed.pending.get(waiting.run)?.code).toBe('NODES_BUSY')
})

test.each<[string, readonly NodeView[], readonly RunView[], object]>([
  [
    'nobody is there',
    [],
    [runOf('r', { workers: { min: 2 } })],
    { code: 'NO_NODES', text: 'no node is here', fix: 'start 2 more with `murmur start --address …`' },
  ],
  [
    'too little memory, one draining',
    [
      node('a'),
      ...['b', 'c', 'd'].map((name) =>
        node(name, { devices: [{ kind: 'cpu', name: '', memoryBytes: 1.9 * GiB, tokensPerSecond: 0 }] }),
      ),
      node('e', { draining: true }),
    ],
    [runOf('r', { workers: { min: 2 }, programMemoryBytes: 2.4 * GiB })],
    {
      code: 'NODES_MISSING',
      have: 1,
      text: '1 of 2 workers: 3 nodes: too little memory (1.90 GiB of 2.40 GiB); 1 draining',
      fix: 'start 1 more with `murmur start --address …` (each with 2.40 GiB of memory); or a lower train.batch, or submit it with workers.min: 1',
    },
  ],
  [
    'no such device, and one whose speed nobody measured',
    [node('a'), node('b', { devices: [cuda(8 * GiB, 0)] })],
    [runOf('r', { resources: { device: 'cuda', minTokensPerSecond: 5 } })],
    { text: '0 of 1 workers: 1 node: no cuda device; 1 node: speed not known' },
  ],
  [
    'busy, and kept for another',
    [node('a', { run: runId('b') }), node('c')],
    [
      runOf('b', { phase: 'train', workers: { max: 1 } }),
      runOf('ahead', { submittedAt: 1, workers: { min: 2 } }),
      runOf('r', { submittedAt: 2 }),
    ],
    { code: 'NODES_BUSY', text: '0 of 1 workers: 1 busy with other runs; 1 kept for runs ahead of it' },
  ],
  [
    'one region only, two apart wanted',
    [node('a', { region: 'eu' }), node('b', { region: 'eu' }), node('c')],
    [runOf('r', { workers: { min: 2 }, placement: { strategy: 'STRICT_SPREAD' } })],
    {
      text: '1 of 2 workers: 1 node: a region that is taken already; 1 node: no label region',
      fix: expect.stringContaining('placement.strategy: SPREAD'),
    },
  ],
  [
    'two regions, two together wanted',
    [node('a', { region: 'eu' }), node('b', { region: 'us' })],
    [runOf('r', { workers: { min: 2 }, placement: { strategy: 'STRICT_PACK' } })],
    { text: '1 of 2 workers: 1 node: in another region' },
  ],
  [
    'it lost one',
    [node('a', { run: runId('r') }), node('b', { alive: false })],
    [runOf('r', { phase: 'train', workers: { min: 2 } })],
    {
      code: 'BELOW_MIN',
      text: '1 of 2 workers: 1 gone',
      fix: expect.stringMatching(/^it trains on with 1; start 1/),
    },
  ],
  ['paused', [node('a')], [runOf('r', { phase: 'paused' })], { code: 'PAUSED' }],
  ['not funded', [node('a')], [runOf('r', { phase: 'awaiting-funds' })], { code: 'AWAITING_FUNDS' }],
])('why it waits: %s', (_, all, runs, expected) => {
  expect(pendingOf(all, ...runs)).toMatchObject(expected)
})
