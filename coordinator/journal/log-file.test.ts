import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { numbered } from './fixtures/records.ts'
import { Journal } from './journal.ts'
import { openLogFile } from './log-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmur-journal-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const quiet = { onFatal: () => {} }

/** Lets a process append, kills it after `lines` lines of its own, and gives the last number it called durable. */
async function killedAfter(path: string, seed: number, lines: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [new URL('fixtures/append-forever.ts', import.meta.url).pathname, path, String(seed)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (more: string) => {
    text += more
    if (text.split('\n').length > lines) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close', { signal: AbortSignal.timeout(60_000) })
  expect(signal).toBe('SIGKILL')
  const said = [...text.matchAll(/durable (\d+)\n/g)].map(([, number]) => Number(number))
  return Math.max(-1, ...said)
}

/** Lives of one journal, each ended by a kill; where exactly it hits is up to the scheduler. */
async function survives(path: string, lives: readonly number[]): Promise<number> {
  let durable = -1
  for (const life of lives) {
    durable = Math.max(durable, await killedAfter(path, life, 1 + ((life * 7919) % 1000)))
    const { journal, records } = await Journal.open(await openLogFile(path), quiet)
    const found = records.map((record) => (record.kind === 'measured' ? record.epoch : -1))
    expect(found).toEqual(Array.from(found, (_, index) => index))
    expect(found.length).toBeGreaterThan(durable)
    await journal.close()
  }
  return durable
}

test('killed at any instruction, a process leaves a journal with all that it called durable', async () => {
  const lives = Array.from({ length: 8 }, (_, life) => life)
  const ends = await Promise.all([
    survives(join(folder, 'one'), lives),
    survives(
      join(folder, 'two'),
      lives.map((life) => life + 100),
    ),
  ])
  for (const end of ends) expect(end).toBeGreaterThan(500)
}, 180_000)

test('one process, one journal: a second opening is refused, a killed holder is not in the way', async () => {
  const path = join(folder, 'journal')
  const file = await openLogFile(path)
  await expect(openLogFile(path)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' })
  await file.close()
  // A process that is long gone, and one whose id somebody else has now.
  await writeFile(`${path}.lock-4194999-1-x`, '')
  await writeFile(`${path}.lock-${process.ppid}-1-x`, '')
  const again = await openLogFile(path)
  expect((await readdir(folder)).filter((name) => name.includes('lock'))).toHaveLength(1)
  await again.close()
  expect((await readdir(folder)).filter((name) => name.includes('lock'))).toEqual([])
})

test('another live process that holds the journal is named', async () => {
  const path = join(folder, 'journal')
  const child = spawn(process.execPath, [
    new URL('fixtures/append-forever.ts', import.meta.url).pathname,
    path,
    '1',
  ])
  try {
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) })
    await expect(openLogFile(path)).rejects.toMatchObject({
      code: 'JOURNAL_LOCKED',
      details: { pid: child.pid },
    })
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}, 60_000)

test('a log that was being written anew at a crash has not taken the place of the one in use', async () => {
  const path = join(folder, 'journal')
  const { journal } = await Journal.open(await openLogFile(path), quiet)
  journal.append(numbered(0))
  await journal.durable()
  journal.seal()
  const rewriting = await journal.rewrite()
  await rewriting.append([])
  await journal.close()
  const { records, journal: again } = await Journal.open(await openLogFile(path), quiet)
  expect(records).toEqual([numbered(0)])
  await again.close()
})
