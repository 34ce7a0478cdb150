import { expect, test, vi } from 'vitest'
import { MurmurError } from '../protocol/errors.ts'
import { cidOf, peer } from '../protocol/fixtures/names.ts'
import type { Hash } from '../protocol/ids.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { AverageChecks, type AverageChecksDependencies } from './average-checks.ts'
import { isTrueAverage } from './true-average.ts'

vi.mock('./true-average.ts', () => ({ isTrueAverage: vi.fn() }))

type Outcome = 'true' | 'false' | 'gone'
const context = { spec: { workers: { max: 32 } } } as unknown as AverageChecksDependencies['context']
const entries = [0, 1, 2, 3].map((each) => ({ worker: peer(each) }))
const average = { cid: cidOf('average'), bytes: 9 }
const drawn: Hash = `0x${'0'.repeat(64)}`
const notDrawn: Hash = `0x${'f'.repeat(64)}`

/** A worker in rounds of four members: what it draws and, if it checks, finds in each; what came of it. */
async function checked(
  rounds: readonly { readonly salt: Hash; readonly outcome: Outcome; readonly average?: null }[],
  signal: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  let salt = drawn
  const came: string[] = []
  const checks = new AverageChecks({
    context,
    randomSalt: () => salt,
    fetch: () => Promise.reject(new Error('nobody asks')),
    refuse: (round, code) => came.push(`${code} ${round}`),
    log: (code, text) => came.push(`${code} ${text}`),
  })
  for (const [round, { outcome, ...of }] of rounds.entries()) {
    salt = of.salt
    vi.mocked(isTrueAverage).mockImplementation(async () => {
      if (outcome === 'gone') throw new MurmurError('BLOCK_UNAVAILABLE', { message: 'gone', next: 'none' })
      return outcome === 'true'
    })
    await checks.perhaps({ round, entries, average, ...of } as unknown as RoundManifest, signal)
  }
  return came
}

test('of four members each checks every sixteenth round, and none that has no average', async () => {
  const sixteenth: Hash = `0x0fffffff${'f'.repeat(56)}`
  const more: Hash = `0x10000000${'0'.repeat(56)}`
  const came = await checked([
    { salt: sixteenth, outcome: 'true' },
    { salt: more, outcome: 'false' },
    { salt: drawn, outcome: 'false', average: null },
    { salt: drawn, outcome: 'false' },
  ])
  expect(came).toEqual(['AVERAGE_CHECKED round 0', 'AVERAGE_FALSE 3'])
})

test('a check that cannot be made is made up for by the next, and four of them in a row are too many', async () => {
  const unchecked = 'AVERAGE_UNCHECKED BLOCK_UNAVAILABLE: gone'
  const first = { salt: drawn, outcome: 'gone' } as const
  const then = (outcome: Outcome) => ({ salt: notDrawn, outcome })
  expect(await checked([first, then('gone'), then('gone'), then('true'), then('gone')])).toEqual([
    ...[unchecked, unchecked, unchecked],
    'AVERAGE_CHECKED round 3',
  ])
  expect(await checked([first, then('gone'), then('gone'), then('gone'), then('gone')])).toEqual([
    ...[unchecked, unchecked, unchecked, unchecked],
    ...['AVERAGE_UNCHECKABLE 3', unchecked],
  ])
})

test('whoever leaves the run says nothing of a check that this cut off', async () => {
  expect(await checked([{ salt: drawn, outcome: 'gone' }], AbortSignal.abort())).toEqual([])
})
