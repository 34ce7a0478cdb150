/**
 * Placement of 64 runs on 1,000 nodes, from nothing and when one node was lost, beside the loop of kube-scheduler: one
 * worker at a time, every node filtered and scored for each (the same demands, none of the gangs, queue and strategies).
 * Usage: node bench/placement.ts [repetitions]
 */
import { unfit } from '../coordinator/placement/fit.ts'
import { place } from '../coordinator/placement/place.ts'
import { type NodeView, type RunView, unlimited } from '../coordinator/placement/views.ts'
import { runId, type WorkerId, workerId } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'

const repetitions = Number(process.argv[2] ?? 15)
const [nodeCount, runCount] = [1_000, 64]
const GiB = 2 ** 30
const regions = ['eu', 'us', 'asia', 'africa', 'oceania']
const strategies = ['PACK', 'SPREAD', 'PACK', 'STRICT_PACK', 'PACK']

const nodes: NodeView[] = Array.from({ length: nodeCount }, (_, index) => ({
  id: workerId(`12D3KooW${String(index * 7919).padStart(44, '0')}`),
  name: `w${index}`,
  alive: true,
  draining: false,
  run: null,
  devices: [
    {
      kind: index % 3 === 0 ? ('cuda' as const) : ('cpu' as const),
      name: 'device',
      memoryBytes: (4 + (index % 5) * 4) * GiB,
      tokensPerSecond: 1_000 + ((index * 37) % 500),
    },
  ],
  cores: 8,
  memoryBytes: 16 * GiB,
  diskBytes: 100 * GiB,
  upBytesPerSecond: 1e6,
  downBytesPerSecond: 1e7,
  roundTripMs: 20 + (index % 100),
  labels: new Map([['region', regions[index % regions.length]!]]),
  tokensPerSecond: 0,
  misses: 0,
}))
const runs: RunView[] = Array.from({ length: runCount }, (_, index) => ({
  run: runId(`run${index}`),
  name: `run${index}`,
  spec: parseRunFile(
    {
      workers: { min: 2 + (index % 7), max: 32 },
      resources: { device: index % 4 === 0 ? 'cuda' : 'any', memoryBytes: `${4 + (index % 3) * 4}GiB` },
      placement: { strategy: strategies[index % strategies.length] },
    },
    'bench',
  ),
  submittedAt: index,
  priority: 0,
  owner: `owner${index % 8}`,
  phase: 'queued',
  members: [],
  excluded: new Set(),
  programMemoryBytes: GiB,
}))

/** One worker at a time: filter all nodes, score what is left, take the best. */
function oneAtATime(): number {
  const taken = new Set<WorkerId>()
  for (const run of runs) {
    for (let have = 0; have < run.spec.workers.max; have++) {
      let best: NodeView | undefined
      let bestScore = Number.NEGATIVE_INFINITY
      for (const node of nodes) {
        if (taken.has(node.id) || unfit(node, run) !== null) continue
        const score = node.devices[0]!.tokensPerSecond - node.roundTripMs
        if (score > bestScore) [best, bestScore] = [node, score]
      }
      if (best === undefined) break
      taken.add(best.id)
    }
  }
  return taken.size
}

const placed = place(nodes, runs, unlimited)
const working = nodes.map((node) => ({ ...node, run: placed.assignments.get(node.id) ?? null }))
const oneLost = working.map((node, index) => (index === 500 ? { ...node, alive: false } : node))

/** Median milliseconds. */
function medianMs(work: () => unknown): number {
  const times = Array.from({ length: repetitions }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  })
  return times.sort((a, b) => a - b)[repetitions >> 1]!
}

for (let warm = 0; warm < 5; warm++) place(nodes, runs, unlimited)
const fresh = medianMs(() => place(nodes, runs, unlimited))
const again = medianMs(() => place(oneLost, runs, unlimited))
const reference = medianMs(oneAtATime)
const [ours, theirs] = [(placed.assignments.size / fresh) * 1_000, (oneAtATime() / reference) * 1_000]
console.log(
  [
    `${nodeCount} nodes, ${runCount} runs, ${placed.assignments.size} assigned, ${placed.pending.size} runs pending`,
    `from nothing: ${fresh.toFixed(1)} ms, ${Math.round(ours)} assignments/s`,
    `one node lost: ${again.toFixed(1)} ms`,
    `one worker at a time (kube-scheduler's loop): ${reference.toFixed(1)} ms, ${Math.round(theirs)} assignments/s, ratio ${(ours / theirs).toFixed(2)}`,
  ].join('\n'),
)
