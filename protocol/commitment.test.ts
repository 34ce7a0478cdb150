import { expect, test } from 'vitest'
import { type Commitment, commitHash, sameHash } from './commitment.ts'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import { cidText, runId } from './ids.ts'

const commitment: Commitment = {
  run: aRun,
  worker: peer(1),
  round: 12,
  contribution: cidOf('contribution'),
  traceRoot: hashOf('trace'),
  salt: hashOf('salt'),
}

test.each<[string, Partial<Commitment>]>([
  ['run', { run: runId('bafy') }],
  ['worker', { worker: peer(2) }],
  ['round', { round: 13 }],
  ['contribution', { contribution: cidOf('other') }],
  ['trace root', { traceRoot: hashOf('other') }],
  ['salt', { salt: hashOf('other') }],
])('another %s is another commitment: a copied commit opens to nothing', (_, change) => {
  expect(commitHash({ ...commitment, ...change })).not.toBe(commitHash(commitment))
})

test('fields cannot flow into each other', () => {
  const one = commitHash({ ...commitment, round: 1, contribution: cidText('23') })
  expect(commitHash({ ...commitment, round: 12, contribution: cidText('3') })).not.toBe(one)
})

test('the hash is what docs/protocol.md says', async () => {
  const { createHash } = await import('node:crypto')
  const { run, worker, round, contribution, traceRoot, salt } = commitment
  const fields = [run, worker, `${round}`, contribution, traceRoot, salt].map(
    (field) => `${field.length}:${field}`,
  )
  const expected = createHash('sha256')
    .update(`murmur/commit/1\0${fields.join('')}`)
    .digest('hex')
  expect(commitHash(commitment)).toBe(`0x${expected}`)
})

test('sameHash', () => {
  expect(sameHash(hashOf('a'), hashOf('a'))).toBe(true)
  expect(sameHash(hashOf('a'), hashOf('b'))).toBe(false)
  expect(sameHash(hashOf('a'), '0x12')).toBe(false)
})
