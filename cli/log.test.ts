import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { logLine } from './log.ts'
import { openLogFile } from './log-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-log-'))
})
afterAll(() => rm(folder, { recursive: true }))

const at = new Date('2026-05-05T12:00:00Z')
const hostile = 'a\u001b[2Jb\nc\u202ed\u2028e\u0085f\u200ff'

test('a line of text: when, what, in words; nothing from outside ends it or is obeyed by a terminal', () => {
  expect(logLine(at, 'JOINED', hostile, { run: 'x' }, 'text')).toBe(
    '2026-05-05T12:00:00.000Z JOINED a [2Jb c d e f f\n',
  )
})

test('a line of JSON: the same, and what it is about', () => {
  const line = logLine(at, 'ROUND', hostile, { run: 'bafy', round: 3, worker: 'w\n1', cid: 'c' }, 'json')
  expect(line.split('\n')).toHaveLength(2)
  expect(JSON.parse(line)).toEqual({
    ...{ at: '2026-05-05T12:00:00.000Z', code: 'ROUND', text: 'a [2Jb c d e f f' },
    ...{ run: 'bafy', round: 3, worker: 'w 1', cid: 'c' },
  })
})

test('a log file keeps its quota, loses no line within it, and goes on where it was', async () => {
  const file = path.join(folder, 'rotate', 'w.log')
  const numbered = (index: number) => `line ${String(index).padStart(4, '0')}\n`
  for (const from of [0, 500]) {
    const write = openLogFile(file, 1_000)
    for (let index = from; index < from + 500; index++) write(numbered(index))
  }
  const names = (await readdir(path.dirname(file))).sort()
  expect(names).toEqual(['w.log', 'w.log.1', 'w.log.2', 'w.log.3', 'w.log.4'])
  const texts = []
  for (const name of names.toReversed()) {
    const one = path.join(path.dirname(file), name)
    expect((await stat(one)).size).toBeLessThanOrEqual(1_000)
    texts.push(await readFile(one, 'utf8'))
  }
  const kept = texts.join('')
  const oldest = Number(kept.slice(5, 9))
  expect(kept).toBe(Array.from({ length: 1_000 - oldest }, (_, index) => numbered(oldest + index)).join(''))
})

test('a crash: the last words are in the log, with where the fault was', async () => {
  const file = path.join(folder, 'crash.log')
  const here = (name: string) => JSON.stringify(path.join(import.meta.dirname, name))
  const program = `
    const { configureLog, log } = await import(${here('log.ts')})
    const { reportFailure } = await import(${here('failure.ts')})
    process.on('uncaughtException', (error) => process.exit(reportFailure(error, false)))
    configureLog({ file: ${JSON.stringify(file)}, format: 'json' })
    log('BEFORE', 'all is well')
    process.stderr.write('a library says this\\n')
    setTimeout(() => { throw new TypeError('x is not a function') })`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  expect([status, stderr]).toEqual([1, ''])
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line): { code: string; text: string } => JSON.parse(line))
  expect(lines.map(({ code }) => code).slice(0, 4)).toEqual(['BEFORE', 'STDERR', 'INTERNAL', 'STDERR'])
  expect(lines[2]!.text).toContain('x is not a function')
  expect(lines.slice(3).some(({ text }) => text.trimStart().startsWith('at '))).toBe(true)
})
