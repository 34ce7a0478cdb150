import { parseCid } from '../../protocol/content-id.ts'
import type { RunId } from '../../protocol/ids.ts'
import type { RunReport } from '../../protocol/report.ts'
import { notFound } from './problem.ts'
import { queuedRun, runReport } from './report-schemas.ts'
import { type Route, route } from './route.ts'
import type { RouteDependencies } from './routes.ts'
import * as schemas from './schemas.ts'

const api = '/api/v1'
const run = `${api}/runs/{run}`

/** Runs: what there are, and what can be done with them. */
export function runRoutes({ head }: RouteDependencies): readonly Route[] {
  /** Stop, pause, resume: done, or there is no run for which that makes sense. */
  const control = (verb: string, summary: string, act: (id: RunId) => boolean): Route =>
    route({
      method: 'post',
      path: `${run}/${verb}`,
      summary,
      role: 'admin',
      status: 204,
      handle: ({ param }) => {
        if (!act(parseRun(param('run')))) throw notFound(`there is no run here to ${verb}`)
      },
    })
  return [
    route({
      method: 'get',
      path: `${api}/runs`,
      summary: 'The runs, oldest first',
      role: 'read',
      status: 200,
      answer: schemas.runList,
      handle: () => ({ runs: head.cluster().runs }),
    }),
    route({
      method: 'get',
      path: run,
      summary: 'All that the head knows of a run; of one that waits in the queue, its line in the list',
      role: 'read',
      status: 200,
      answer: runReport.or(queuedRun),
      handle: async ({ param }) => {
        const id = parseRun(param('run'))
        const report = await head.report(id)
        if (report !== undefined) return report
        const line = head.cluster().runs.find((known) => known.run === id)
        if (line === undefined) throw notFound(`no run ${id} here`)
        return { ...line, queued: true }
      },
    }),
    route({
      method: 'post',
      path: run,
      summary: 'Submits a run whose blocks are here; twice is harmless',
      role: 'admin',
      body: schemas.submitBody,
      status: 202,
      answer: schemas.submitted,
      handle: async ({ param, body, principal }) => {
        const id = parseRun(param('run'))
        await head.submit(id, { priority: body.priority, owner: principal.id })
        return { run: id }
      },
    }),
    control('stop', 'Stops a run: verified epochs stay paid', (id) => head.stopRun(id)),
    control('pause', 'Pauses a run after its round', (id) => head.pauseRun(id)),
    control('resume', 'Lets a paused run go on', (id) => head.resumeRun(id)),
  ]
}

/** What a run has done. */
export function historyRoutes({ head, metrics }: RouteDependencies): readonly Route[] {
  const reportOf = async (text: string): Promise<RunReport> => {
    const report = await head.report(parseRun(text))
    if (report === undefined) throw notFound(`run ${text} has no report yet, or is not here`)
    return report
  }
  return [
    route({
      method: 'get',
      path: `${run}/rounds`,
      summary: 'Closed rounds of a run',
      role: 'read',
      query: schemas.roundsQuery,
      status: 200,
      answer: schemas.roundList,
      handle: async ({ param, query }) => {
        const { rounds } = await reportOf(param('run'))
        const asked = rounds.filter(({ round }) => round >= query.since).slice(0, query.limit)
        return { rounds: asked, total: rounds.length }
      },
    }),
    route({
      method: 'get',
      path: `${run}/epochs`,
      summary: 'Epochs of a run: audits, settlement',
      role: 'read',
      status: 200,
      answer: schemas.epochList,
      handle: async ({ param }) => ({ epochs: (await reportOf(param('run'))).epochs }),
    }),
    route({
      method: 'get',
      path: `${run}/checkpoints`,
      summary: 'Checkpoints of a run, by CID',
      role: 'read',
      status: 200,
      answer: schemas.checkpointList,
      handle: async ({ param }) => ({ checkpoints: (await reportOf(param('run'))).checkpoints }),
    }),
    route({
      method: 'get',
      path: `${run}/payments`,
      summary: 'Money of a run: its escrow, what each worker earned and claimed, what each epoch paid',
      role: 'read',
      status: 200,
      answer: schemas.paymentList,
      handle: async ({ param }) => paymentsOf(await reportOf(param('run'))),
    }),
    route({
      method: 'get',
      path: `${run}/metrics`,
      summary: 'Figures of a run, a line a closed round or evaluation',
      role: 'read',
      status: 200,
      answer: schemas.metricSeries,
      handle: async ({ param }) => {
        const id = parseRun(param('run'))
        const known = (await head.report(id)) ?? head.cluster().runs.find((line) => line.run === id)
        if (known === undefined) throw notFound(`no run ${id} here`)
        return { metrics: await metrics.series(id) }
      },
    }),
  ]
}

function paymentsOf({ escrow, workers, epochs }: RunReport) {
  return {
    escrow,
    workers: workers.map(({ id, name, payout, verifiedTokens, earned, claimed }) => ({
      worker: id,
      name,
      payout,
      verifiedTokens,
      earned,
      claimed,
    })),
    epochs: epochs.map(({ epoch, settled, paid, txHash, payoutTree }) => ({
      epoch,
      settled,
      paid,
      txHash,
      payoutTree,
    })),
  }
}

const parseRun = (text: string): RunId => parseCid(text) as string as RunId
