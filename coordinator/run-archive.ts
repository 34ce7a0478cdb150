import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { writeDurably } from '../checkpoints/durable-file.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { RunId } from '../protocol/ids.ts'
import type { ClusterReport, RunReport } from '../protocol/report.ts'
import { runReport } from './api/report-schemas.ts'

/** Reports of runs that are over, one JSON file each, so that they outlive the head's process. */
export interface RunArchive {
  /** Gives back what was written: the bytes that other heads keep. */
  keep(report: RunReport): Promise<Uint8Array>
  /** What another head wrote of this run. Throws REPORT_MALFORMED. */
  keepWritten(run: RunId, bytes: Uint8Array): Promise<void>
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
  const keep = async (report: RunReport) => {
    const bytes = new TextEncoder().encode(JSON.stringify(report, null, 2))
    reports.set(report.run, report)
    await writeDurably(path.join(folder, `${report.run}.json`), bytes)
    return bytes
  }
  return {
    keep,
    keepWritten: async (run, bytes) => {
      if (!reports.has(run)) await keep(parseReport(run, bytes))
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

function parseReport(run: RunId, bytes: Uint8Array): RunReport {
  try {
    const report = runReport.loose().parse(JSON.parse(new TextDecoder().decode(bytes)))
    if (report.run !== run) throw new Error(`it is of ${report.run}`)
    return report as unknown as RunReport
  } catch (cause) {
    throw new MurmurError('REPORT_MALFORMED', {
      message: `no report of ${run}: ${cause instanceof Error ? cause.message.slice(0, 200) : ''}`,
      next: 'run the same version of murmur on all heads',
      exit: 'verification',
      cause,
    })
  }
}
