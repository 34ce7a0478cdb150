import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runId } from '../protocol/ids.ts'
import { richReport } from './api/fixtures/reports.ts'
import { openRunArchive } from './run-archive.ts'

const someReport = richReport('done', { phase: 'finished' })

test('what another head wrote of a run is kept, and nothing else', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'murmur-archive-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const own = await openRunArchive(path.join(folder, 'a'))
  const written = await own.keep(someReport)
  const { run } = someReport
  const other = await openRunArchive(path.join(folder, 'b'))
  const bytes = (text: string) => new TextEncoder().encode(text)
  for (const bad of [bytes(''), bytes('{}'), bytes(JSON.stringify({ ...someReport, run: '../up' })), written])
    await expect(other.keepWritten(runId('another'), bad)).rejects.toMatchObject({ code: 'REPORT_MALFORMED' })
  expect(other.list()).toEqual([])
  await other.keepWritten(run, written)
  expect(other.get(run)).toEqual(someReport)
  expect((await openRunArchive(path.join(folder, 'b'))).get(run)).toEqual(someReport)
})
