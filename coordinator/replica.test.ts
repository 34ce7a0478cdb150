import { expect, test } from 'vitest'
import type { Averaging } from '../aggregation/averaging.ts'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../aggregation/sparse-loco.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { cidOf, hashOf, peer } from '../protocol/fixtures/names.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { manifestOf } from '../worker/round/fixtures/virtual-worker.ts'
import { HeadReplica } from './replica.ts'
import type { Reveal } from './round/state.ts'

const parameterCount = 50
const compressor = sparseLoCo({ chunkSize: 4096, k: 8, beta: 0.9 })
const zeros = { theta: new Float32Array(parameterCount), vectors: [] }
const rootOf = (theta: Float32Array) => stateRoot({ theta, vectors: [] })
const signal = new AbortController().signal

function contribution(sign: number): Uint8Array {
  const delta = Float32Array.from({ length: parameterCount }, (_, index) => sign * Math.fround(index / 100))
  return compressor.compress(delta, compressor.init(parameterCount)).bytes
}

const revealOf = (worker: WorkerId, bytes: Uint8Array, contributionBytes = bytes.length) => ({
  worker,
  reveal: {
    kind: 'reveal',
    ...{ round: 0, contribution: contentId(bytes, 'raw'), contributionBytes, trace: [] },
    ...{ salt: hashOf('salt'), tokens: 64, lossNats: 1 },
  } satisfies Reveal,
})

const unavailable = (code: string) => new MurmurError(code, { message: 'not here', next: 'none' })

const gathering: Averaging = {
  ...{ compressor, rule: weightedMean, outer: outerSgd(1), fragments: 1, eager: false },
}
const sharing: Averaging = { ...gathering, shared: { rule: weightedMean, compressor } }

function replicaOf(served: readonly Uint8Array[], averaging = gathering): HeadReplica {
  const blocks = new Map<CidText, Uint8Array>(served.map((bytes) => [contentId(bytes, 'raw'), bytes]))
  return new HeadReplica(zeros, new Map([[0, zeros.theta]]), {
    averaging,
    fetchTimeoutMs: 60_000,
    fetch: async (_, cid, maxBytes) => {
      const bytes = blocks.get(cid)
      if (bytes === undefined) throw new TypeError('a socket broke')
      if (bytes.length > maxBytes) throw unavailable('BLOCK_TOO_LONG')
      return bytes
    },
    keep: async (cid, block) => void blocks.set(cid, block),
    writeCheckpoint: async (_, round, root) => cidOf(`${round} ${root}`),
  })
}

const [good, other, noise] = [contribution(1), contribution(-0.5), Uint8Array.of(1, 2, 3)]

test('what cannot be had, or is not admitted, is refused with its reason; the rest moves θ', async () => {
  const replica = replicaOf([good, other, noise])
  const result = await replica.aggregate(
    0,
    [
      revealOf(peer(1), good),
      revealOf(peer(2), contribution(9)),
      revealOf(peer(3), other, other.length - 1),
      revealOf(peer(4), noise),
      revealOf(peer(5), good),
    ],
    true,
    signal,
  )
  expect(result.admitted).toEqual([peer(1)])
  expect(Object.fromEntries(result.refused.map(({ worker, code }) => [worker, code]))).toEqual({
    [peer(2)]: 'BLOCK_UNAVAILABLE',
    [peer(3)]: 'BLOCK_TOO_LONG',
    [peer(4)]: 'CONTRIBUTION_MALFORMED',
    [peer(5)]: 'COPY',
  })
  expect(result.stateRoot).toBe(rootOf(replica.theta))
  expect(result.stateRoot).not.toBe(stateRoot(zeros))
  expect(result.checkpoint).toBe(cidOf(`0 ${result.stateRoot}`))
})

test('a void round leaves θ as it is; starts of rounds are kept until their epoch is settled', async () => {
  const replica = replicaOf([good, other])
  const start = replica.theta
  const first = await replica.aggregate(0, [revealOf(peer(1), good)], false, signal)
  const second = await replica.aggregate(1, [], false, signal)
  expect([second.stateRoot, second.admitted, second.checkpoint]).toEqual([first.stateRoot, [], null])
  expect(replica.startOf(0)).toBe(start)
  expect(rootOf(replica.startOf(1)!)).toBe(first.stateRoot)
  await replica.aggregate(2, [], false, signal)
  replica.forgetBefore(2)
  expect([replica.startOf(0), replica.startOf(1)]).toEqual([undefined, undefined])
  expect(replica.startOf(3)).toBe(replica.theta)
})

test('an average that died with its head is made again of the contributions, and must be the one that was signed', async () => {
  const reveals = [revealOf(peer(1), good), revealOf(peer(2), other)]
  const { average, stateRoot: root } = await replicaOf([good, other], sharing).aggregate(
    ...([0, reveals, false, signal] as const),
  )
  const entries = reveals.map(({ worker, reveal: { contribution, contributionBytes, tokens } }) => ({
    ...{ worker, contribution, contributionBytes, tokens, trace: [], lossNats: 1 },
  }))
  const manifest = { ...manifestOf(0), entries, average, stateRoot: root }
  const follower = replicaOf([good, other], sharing)
  await follower.follow(manifest, signal)
  expect(rootOf(follower.theta)).toBe(root)
  const [first, ...rest] = entries
  const weighed = [{ ...first!, tokens: 1000 }, ...rest]
  await expect(
    replicaOf([good, other], sharing).follow({ ...manifest, entries: weighed }, signal),
  ).rejects.toThrow(expect.objectContaining({ code: 'AVERAGE_FALSE' }))
  await expect(replicaOf([good], sharing).follow(manifest, signal)).rejects.toThrow('a socket broke')
})

test('called off, it fails instead of refusing everybody', async () => {
  const called = AbortSignal.abort(new Error('shutting down'))
  await expect(replicaOf([]).aggregate(0, [revealOf(peer(1), good)], false, called)).rejects.toThrow(
    'shutting down',
  )
})
