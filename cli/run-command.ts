import path from 'node:path'
import { maxPriority } from '../coordinator/placement/views.ts'
import { MurmurError } from '../protocol/errors.ts'
import { connectApi } from './api-client.ts'
import { followRun } from './follow.ts'
import { headBlocks } from './head-blocks.ts'
import { homeFolder } from './home.ts'
import { createLiveView } from './live-view.ts'
import { escrowOf, fundingTable } from './money.ts'
import { requireFeasible } from './require-feasible.ts'
import { isCid } from './starting-point.ts'
import { prepareRun, readRunFile, submitRun } from './submit.ts'
import { summarize } from './summary.ts'
import { summaryText } from './summary-text.ts'

export interface RunCommandOptions {
  readonly set: readonly string[]
  /** An ONNX file, or the CID of one, that takes the place of the run file's model. */
  readonly model?: string
  readonly home?: string
  readonly detach?: boolean
  readonly json?: boolean
  readonly id?: string
  readonly fundingTimeout: string
  /** Waits for nodes that could start it, rather than being refused. */
  readonly queue?: boolean
  readonly priority: string
}

export async function runCommand(file: string | undefined, options: RunCommandOptions): Promise<void> {
  const fundingTimeoutMs = secondsOf(options.fundingTimeout) * 1000
  const priority = priorityOf(options.priority)
  // Whatever can be wrong with the file is told before a head is asked for.
  const prepared = await prepareRun(
    await readRunFile(file, overridesOf(file, options)),
    options.id,
    headBlocks(homeFolder(options.home)),
  )
  const api = await connectApi(homeFolder(options.home))
  if (options.queue !== true) await requireFeasible(api, prepared)
  await submitRun(api, prepared, { priority })
  const { run } = prepared
  if (options.detach === true) {
    process.stdout.write(options.json === true ? `${JSON.stringify({ run })}\n` : `${run}\n`)
    return
  }
  process.stderr.write(`submitted ${run}\n`)
  const detach = new AbortController()
  process.once('SIGINT', () => detach.abort(new Error('detached')))
  const view = createLiveView()
  try {
    const report = await followRun(api, run, {
      signal: detach.signal,
      view,
      fundingTimeoutMs,
    })
    view.close()
    const funders = report.escrow === null ? [] : await fundingTable(escrowOf(report).escrow, report.escrow)
    const summary = summarize(report, funders)
    process.stdout.write(
      options.json === true ? `${JSON.stringify(summary, null, 2)}\n` : `${summaryText(summary)}\n`,
    )
  } catch (error) {
    view.close()
    if (!detach.signal.aborted) throw error
    process.stderr.write(
      `detached; the run goes on. \`murmur status\` shows it, \`murmur stop ${run}\` ends it\n`,
    )
  }
}

/** @throws MurmurError RUN_FILE_MISSING where neither a run file nor a model says what is meant. */
function overridesOf(file: string | undefined, { set, model }: RunCommandOptions): readonly string[] {
  if (model !== undefined)
    return [`model=${JSON.stringify({ onnx: isCid(model) ? model : path.resolve(model) })}`, ...set]
  if (file !== undefined) return set
  throw new MurmurError('RUN_FILE_MISSING', {
    message: 'there is neither a run file nor a model',
    next: 'give the path of a run file, or --model with a file or a CID; `murmur run --help` shows an example',
    exit: 'usage',
  })
}

function priorityOf(text: string): number {
  const priority = Number(text)
  if (/^-?\d{1,3}$/.test(text) && Math.abs(priority) <= maxPriority) return priority
  throw new MurmurError('PRIORITY_INVALID', {
    message: `${text} is not a priority`,
    next: `give a whole number from -${maxPriority} to ${maxPriority}`,
    exit: 'usage',
  })
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds
  throw new MurmurError('SECONDS_INVALID', {
    message: `${text} is not a number of seconds`,
    next: 'give a number of 0 or more',
    exit: 'usage',
  })
}
