import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeDurably } from '../checkpoints/durable-file.ts'
import type { RunId } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'

/** Reports of runs that are over, one JSON file each, so that they outlive the head's process. */
export interface RunArchive {
  keep(report: RunReport): Promise<void>
  get(run: RunId): RunReport | undefined
  has(run: RunId): boolean
  list(): ClusterReport['runs']
}

export async function openRunArchive(folder: string): Promise<RunArchive> {
  await mkdir(folder, { recursive: true })
  const reports = new Map<RunId, RunReport>()
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith('.json'))) {
    try {
      const report = JSON.parse(await readFile(path.join(folder, name), 'utf8')) as RunReport
      if (report.run === name.slice(0, -'.json'.length)) reports.set(report.run, report)
    } catch {
      // A damaged report is no reason not to start: everything in it can be rebuilt from its CIDs.
    }
  }
  return {
    keep: async (report) => {
      reports.set(report.run, report)
      await writeDurably(
        path.join(folder, `${report.run}.json`),
        new TextEncoder().encode(JSON.stringify(report, null, 2)),
      )
    },
    get: (run) => reports.get(run),
    has: (run) => reports.has(run),
    list: () =>
      [...reports.values()]
        .sort((a, b) => a.submittedAt - b.submittedAt)
        .map(({ run, name, phase, round, roundsTotal, pending }) => ({
          run,
          name,
          phase,
          round,
          roundsTotal,
          pending,
        })),
  }
}
