import type { ModelSpec } from '../../program/model-spec.ts'
import { trafficOf } from './bytes.ts'
import { curvesSvg } from './curves-svg.ts'
import { describe, optimizers } from './describe.ts'
import type { Finished } from './finished.ts'
import { bestBeyond, frontierOf } from './frontier.ts'
import { type Group, gapPercent, groupsOf } from './groups.ts'
import { measuredGaps } from './measured.ts'
import { nameOf } from './names.ts'
import { models } from './tasks.ts'

export interface Page {
  readonly markdown: string
  /** File name → SVG. */
  readonly figures: ReadonlyMap<string, string>
}

const mostCurves = 8
/** Guessing bytes evenly costs 5.5 nats. */
const divergedNats = 6

/** All that is written from results: path from the root of the repository → text. */
export function filesOf(finished: readonly Finished[]): Map<string, string> {
  const { markdown, figures } = pageOf(finished)
  return new Map([
    ['docs/convergence.md', markdown],
    ...[...figures].map(([name, svg]): [string, string] => [`docs/convergence/${name}`, svg]),
    ['aggregation/measured-gaps.json', `${JSON.stringify(measuredGaps(finished), null, 2)}\n`],
  ])
}

/** The page of all cells that are there. */
export function pageOf(finished: readonly Finished[]): Page {
  const groups = groupsOf(finished)
  const figures = new Map(groups.map((group) => [figureName(group), figureOf(group)]))
  return { markdown: [introduction, ...groups.map(section)].join('\n\n').concat('\n'), figures }
}

const introduction = `# Convergence

<!-- Written by \`npm run bench:convergence\`; do not edit. -->

The same model on the same data, trained with ever less communication: byte-level GPTs on Moby Dick, the last tenth held out, and
at the end of the page a CNN on 10,000 images of MNIST, a fifth held out. Every cell of a group sees the same batches from the same initial weights; equal cells give equal bits. How and why these
cells, what closes the gap and what does not: \`docs/decisions/2026-11-22-closing-the-gap.md\`.

- **DDP** is synchronous data parallelism, an average of the gradients at every step. It is run as one worker with the
  concatenated batch of all R, which is the same thing. The gap is that of held-out loss to the best DDP cell, once with AdamW
  and once with Muon, where there is one with NorMuon too.
- **Bytes** are one worker's: a contribution up and those of the R − 1 others down, each sync, in the run's own formats. The
  ratio is to an f32 ring all-reduce at every step, 2 · 2 (R − 1)/R · 4N bytes a step, up and down. Where the head sends the average
  ("average of" so many of 4,096 values), a contribution up, the average down, and (R − 1)/(4R) contributions, to check it.
- **H** is the number of inner steps between two syncs; "a to b" grows as a power over the run. **Sparse** is k of 4,096 values
  (SparseLoCo, arXiv 2508.15706), Rice-coded. Unless told otherwise the outer step is SGD with rate 1 and error feedback keeps
  everything (β 1). AdamW, Muon or NorMuon is the inner optimizer, with its peak learning rate; Muon with averaging is MuLoCo
  (arXiv 2505.23725).
- **Last three** is the held-out loss of the mean of the last three θ, one a sync (of DDP, 25 steps apart), as \`murmur checkpoint export
  --average 3\` makes it of checkpoints (arXiv 2209.14981), and its gap to the same of DDP with AdamW. It takes no bytes. Cells from before this was measured have none.
- **One worker** makes as many steps as each of the R, and so sees 1/R of the tokens. On images it sees all digits.`

const figureName = ({ task, steps, workers, seed }: Group): string =>
  `${task}-${steps}-r${workers}-s${seed}.svg`

function section(group: Group): string {
  const { task, steps, workers, seed, cells, references } = group
  const model: ModelSpec = models[task]
  const isText = model.preset === 'gpt'
  const tokens = steps * workers * model.batch * (isText ? model.context : 1)
  const columns = columnsOf(references)
  const hasMeans = cells.some(({ outcome }) => outcome.ofLastThree !== undefined)
  const perParameter = tokens / cells[0]!.outcome.parameterCount
  return [
    `## ${nameOf(task)}, ${steps} steps, R = ${workers}`,
    `${tokens.toLocaleString('en')} ${isText ? 'tokens' : 'images'} of all workers, ${number(perParameter)} a parameter; seed ${seed}. ${verdict(group)}`,
    `![Held-out loss over steps](convergence/${figureName(group)})`,
    [
      `| cell | held-out nats |${isText ? '' : ' told right |'} ${columns.map((name) => `gap to DDP ${optimizers[name]} |`).join(' ')}${hasMeans ? ' last three |' : ''} syncs | MB up | MB down | ratio |`,
      `| --- | ---: |${isText ? '' : ' ---: |'}${' ---: |'.repeat(columns.length)}${hasMeans ? ' ---: |' : ''} ---: | ---: | ---: | ---: |`,
      ...cells.map((one) => row(one, references, hasMeans)),
    ].join('\n'),
  ].join('\n\n')
}

/** NorMuon's only where it was trained so. */
const columnsOf = ({ normuon }: Group['references']) =>
  ['adamw', 'muon', ...(normuon === null ? [] : ['normuon' as const])] as const

function row(one: Finished, references: Group['references'], hasMeans: boolean): string {
  const { up, down, ratio } = trafficOf(one)
  const alone = one.cell.workers === 1
  const columns = [
    describe(one.cell),
    hasDiverged(one) ? 'diverged' : one.outcome.lossNats.toFixed(4),
    ...(one.outcome.accuracy === undefined ? [] : [`${(100 * one.outcome.accuracy).toFixed(1)} %`]),
    ...columnsOf(references).map((name) =>
      hasDiverged(one) ? '' : percent(gapPercent(one, references[name])),
    ),
    ...(hasMeans ? [hasDiverged(one) ? '' : ofLastThree(one, references.adamw)] : []),
    one.cell.sync === 'every-step' ? '' : `${one.outcome.rounds}`,
    alone ? '' : megabytes(up),
    alone ? '' : megabytes(down),
    alone ? '' : `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString('en')}×`,
  ]
  return `| ${columns.join(' | ')} |`
}

function ofLastThree(one: Finished, reference: Finished | null): string {
  const averaged = withLastThree(one)
  if (averaged === null) return ''
  const gap = percent(gapPercent(averaged, withLastThree(reference)))
  return [averaged.outcome.lossNats.toFixed(4), gap].filter(Boolean).join(', ')
}

/** With the loss of the mean of its last three; null where that was not measured. */
function withLastThree(one: Finished | null): Finished | null {
  const lossNats = one?.outcome.ofLastThree
  return one === null || lossNats === undefined ? null : { ...one, outcome: { ...one.outcome, lossNats } }
}

/** What the group says of the goal: at most 1 % of gap at 1,000 times fewer bytes. */
function verdict({ cells, references }: Group): string {
  const best = bestBeyond(cells, 1_000)
  if (best === null) return 'No cell here has 1,000 times fewer bytes than the ring.'
  const gaps = columnsOf(references).flatMap((name) => {
    const gap = gapPercent(best, references[name])
    return gap === null ? [] : [`${percent(gap)} to DDP with ${optimizers[name]}`]
  })
  const ratio = Math.round(trafficOf(best).ratio).toLocaleString('en')
  return `Best at 1,000 times fewer bytes or more: ${describe(best.cell)}, ${ratio}×, gap ${gaps.join(' and ') || 'unknown, for want of a DDP cell'}.`
}

/** The references and the frontier of loss and bytes, of those whose curve is known. */
function figureOf({ cells, references }: Group): string {
  const known = [references.adamw, references.muon, references.normuon].filter((one) => one !== null)
  const alone = cells.find(({ cell }) => cell.workers === 1)
  const frontier = frontierOf(cells).reverse()
  const shown = [...known, ...(alone === undefined ? [] : [alone]), ...frontier]
  return curvesSvg(shown.filter(({ outcome }) => outcome.curve.length > 0).slice(0, mostCurves))
}

const hasDiverged = ({ outcome }: Finished): boolean => !(outcome.lossNats < divergedNats)
const percent = (gap: number | null): string =>
  gap === null ? '' : `${gap >= 0 ? '+' : '−'}${Math.abs(gap).toFixed(1)} %`
const megabytes = (bytes: number): string => number(bytes / 1e6)
const number = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 })
