import { expect, test } from 'vitest'
import { aRun, cidOf, peer } from '../protocol/fixtures/names.ts'
import type { RunId } from '../protocol/ids.ts'
import type { HeadRecord } from './journal/record.ts'
import { recover } from './recovery.ts'

const other = cidOf('another run') as string as RunId
const submitted = (run: RunId): HeadRecord => ({
  kind: 'submitted',
  run,
  submittedAt: 1,
  priority: 0,
  owner: '',
})
const tick = (run: RunId): HeadRecord => ({ kind: 'round', run, now: 2, event: { kind: 'tick' } })
const member = (name: string, number: number): HeadRecord => ({
  kind: 'member',
  member: { id: peer(number), name, engineClass: 'x', addresses: [], payout: null },
})

test('records are sorted by what they are about, and the newest word counts', () => {
  const { heads, term, members, runs } = recover([
    { kind: 'heads', heads: [{ id: peer(0), addresses: [] }] },
    { kind: 'term', term: 8 },
    submitted(aRun),
    member('w1', 1),
    tick(aRun),
    member('w2', 1),
    { kind: 'heads', heads: [peer(0), peer(9)].map((id) => ({ id, addresses: [] })) },
    { kind: 'term', term: 9 },
    submitted(aRun),
  ])
  expect(heads.map(({ id }) => id)).toEqual([peer(0), peer(9)])
  expect(term).toBe(9)
  expect([...members.values()].map(({ name }) => name)).toEqual(['w2'])
  // Submitting twice is one submission.
  expect(runs.get(aRun)?.map(({ kind }) => kind)).toEqual(['submitted', 'round'])
})

test('a run that is archived is over, and one of which only a part is left is none', () => {
  const { runs } = recover([
    submitted(aRun),
    tick(aRun),
    { kind: 'archived', run: aRun, report: null },
    tick(other),
  ])
  expect([...runs.keys()]).toEqual([])
})
