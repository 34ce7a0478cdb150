import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import { reportFailure } from './failure.ts'

afterEach(() => vi.restoreAllMocks())

function reported(error: unknown, json = false) {
  let [stdout, stderr] = ['', '']
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text)
    return true
  })
  const exit = reportFailure(error, json)
  vi.restoreAllMocks()
  return { exit, stdout, stderr }
}

const error = new MurmurError('TOKEN_INVALID', { message: 'no\u001b[2J', next: 'ask', exit: 'auth' })

test('cause and next step once, on stderr, without control characters; with --json as a document on stdout', () => {
  expect(reported(error)).toEqual({
    exit: 4,
    stdout: '',
    stderr: 'murmur: TOKEN_INVALID: no [2J\n  next: ask\n',
  })
  const { exit, stdout, stderr } = reported(error, true)
  expect([exit, stderr]).toEqual([4, ''])
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'TOKEN_INVALID', message: 'no\u001b[2J', next: 'ask' },
  })
})

test('what was aborted tells why it was', async () => {
  const reason = new MurmurError('INTERRUPTED', { message: 'by SIGINT', next: 'again', exit: 'interrupted' })
  const aborted = await sleep(60_000, undefined, { signal: AbortSignal.abort(reason) }).catch((e) => e)
  expect(reported(aborted)).toMatchObject({
    exit: 130,
    stderr: expect.stringMatching(/INTERRUPTED: by SIGINT/),
  })
})

test('a fault of ours is told without its stack', () => {
  const { exit, stderr } = reported(new TypeError('x is not a function'))
  expect(exit).toBe(1)
  expect(stderr).toMatch(/^murmur: INTERNAL: x is not a function\n {2}next: .*\n$/)
})

test('a folder that cannot be used is named, and is not a fault of ours', async () => {
  const refused = await readdir('/dev/null/x').catch((cause) => cause)
  const { exit, stderr } = reported(new Error('opening failed', { cause: refused }))
  expect([exit, stderr.split('\n')[0]]).toEqual([
    2,
    'murmur: FILE_UNUSABLE: /dev/null/x cannot be used (ENOTDIR)',
  ])
  const full = Object.assign(new Error('full'), { code: 'ENOSPC', path: '/x' })
  expect(reported(full)).toMatchObject({ exit: 1, stderr: expect.stringContaining('SYSTEM_EXHAUSTED') })
})
