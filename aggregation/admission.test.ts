import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { workerId } from '../protocol/ids.ts'
import { drawsAt } from '../protocol/random.ts'
import { admit, type Submission } from './admission.ts'
import { innerProduct } from './rules/inner-products.ts'
import { nearCopies } from './similarity.ts'
import { sparseLoCo } from './sparse-loco.ts'
import { normOf, type SparseUpdate, toDense } from './update.ts'

const compressor = sparseLoCo({ chunkSize: 8, k: 4, beta: 0 })
const parameterCount = 8
const rules = { compressor, parameterCount }

function submission(worker: string, values: readonly number[], scale = 1): Submission {
  const delta = Float32Array.from(values, (value) => value * scale)
  return ofBytes(worker, compressor.compress(delta, compressor.init(parameterCount)).bytes)
}

const ofBytes = (worker: string, bytes: Uint8Array): Submission => ({
  worker: workerId(worker),
  contribution: contentId(bytes, 'raw'),
  bytes,
  tokens: 10,
})

const ada = submission('ada', [1, 2, 3, 4, 5, 6, 7, 8])
const bob = submission('bob', [-1, 2, -3, 4, -5, 6, -7, 8])
const cleo = submission('cleo', [8, 7, 6, 5, 4, 3, 2, 1])

test('admits honest contributions in the order given', () => {
  const { admitted, refused } = admit([cleo, ada, bob], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['cleo', 'ada', 'bob'])
  expect(refused).toEqual([])
})

test('of the same bytes twice, the one that committed first counts', () => {
  const thief = { ...ada, worker: workerId('thief') }
  const { admitted, refused } = admit([bob, ada, thief], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['bob', 'ada'])
  expect(refused).toEqual([{ worker: 'thief', code: 'COPY', reason: expect.stringContaining('ada') }])
})

test('what does not decode for this program is refused, and counts for no median', () => {
  const { admitted, refused } = admit([ofBytes('mallory', new Uint8Array(40)), ada, bob], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['ada', 'bob'])
  expect(refused).toMatchObject([{ worker: 'mallory', code: 'CONTRIBUTION_MALFORMED' }])
})

test('a scaled-up contribution is refused, a short one is not', () => {
  const loud = submission('loud', [1, 2, 3, 4, 5, 6, 7, 8], 8.5)
  const faint = submission('faint', [1, 2, 3, 4, 5, 6, 7, 8], 0.01)
  const { admitted, refused } = admit([loud, ada, bob, cleo, faint], rules)
  expect(admitted.map(({ worker }) => worker)).toEqual(['ada', 'bob', 'cleo', 'faint'])
  expect(refused).toMatchObject([{ worker: 'loud', code: 'NORM_TOO_LARGE' }])
  expect(admit([loud, ada, bob, cleo], { ...rules, normFactor: 9 }).refused).toEqual([])
})

/** Top 16 of each 512, for 4,096 parameters: 128 entries, few enough that what is named tells members apart. */
const topK = sparseLoCo({ chunkSize: 512, k: 16, beta: 0 })
const wide = { compressor: topK, parameterCount: 4096 }

function trained(worker: string, seed: number, mend = (delta: Float32Array) => delta): Submission {
  const draw = drawsAt(seed, 'simulation', [0, 0])
  const delta = Float32Array.from({ length: 4096 }, () => (draw() / 2 ** 32 - 0.5) ** 5)
  return ofBytes(worker, topK.compress(mend(delta), topK.init(4096)).bytes)
}

/** All that a thief has of its victim is what it sent. */
function stolen(worker: string, from: Submission, mend: (delta: Float32Array) => Float32Array): Submission {
  const delta = mend(toDense(topK.decompress(from.bytes, 4096)))
  return ofBytes(worker, topK.compress(delta, topK.init(4096)).bytes)
}

/** Adds noise of a share of the length, anywhere. */
const noisy = (share: number) => (delta: Float32Array) => {
  const draw = drawsAt(99, 'simulation', [0, 0])
  const noise = delta.map(() => draw() / 2 ** 32 - 0.5)
  const scale = (share * Math.hypot(...delta)) / Math.hypot(...noise)
  return delta.map((value, index) => value + scale * noise[index]!)
}

test('a copy with noise, or louder, is a copy; what was trained on other data is not', () => {
  const victim = trained('victim', 1)
  const others = [2, 3, 4, 5].map((seed) => trained(`honest ${seed}`, seed))
  const thieves = [
    stolen('noisy', victim, noisy(0.3)),
    stolen('louder', victim, (delta) => delta.map((value) => 3 * value)),
    stolen('both', victim, (delta) => noisy(0.1)(delta).map((value) => value / 2)),
  ]
  const { admitted, refused } = admit([victim, ...others, ...thieves], wide)
  expect(admitted.map(({ worker }) => worker)).toEqual(['victim', ...others.map(({ worker }) => worker)])
  expect(refused).toEqual(
    thieves.map(({ worker }) => ({ worker, code: 'COPY', reason: expect.stringContaining('victim') })),
  )
  expect(admit([victim, ...thieves], { ...wide, similarity: 1.1 }).refused).toEqual([])
})

test('a flipped copy is not a copy, and of two alike the first in commit order stays', () => {
  const victim = trained('victim', 1)
  const flipped = stolen('flipped', victim, (delta) => delta.map((value) => -value))
  expect(admit([victim, flipped], wide).refused).toEqual([])
  const thief = stolen('thief', victim, noisy(0.2))
  expect(admit([thief, victim], wide).refused).toMatchObject([{ worker: 'victim', code: 'COPY' }])
})

test('whoever was refused for another reason is nobody’s original', () => {
  const loud = trained('loud', 1, (delta) => delta.map((value) => 100 * value))
  const others = [2, 3, 4].map((seed) => trained(`honest ${seed}`, seed))
  const { refused } = admit([loud, trained('quiet', 1), ...others], wide)
  expect(refused).toMatchObject([{ worker: 'loud', code: 'NORM_TOO_LARGE' }])
})

test('few entries, or nearly all, are alike by chance and are not compared', () => {
  expect(admit([ada, submission('eve', [1, 2, 3, 4, 5, 6, 7, 9])], rules).refused).toEqual([])
  const full = sparseLoCo({ chunkSize: 512, k: 512, beta: 0 })
  const delta = (worker: string, last: number) => {
    const values = Float32Array.from({ length: 4096 }, (_, index) =>
      index === 4095 ? last : 1 + (index % 7),
    )
    return ofBytes(worker, full.compress(values, full.init(4096)).bytes)
  }
  expect(admit([delta('a', 1), delta('b', 2)], { ...wide, compressor: full }).refused).toEqual([])
})

test.each([
  ['512 of each chunk, also where the last chunk is short', 865_024, 512, 0],
  ['more of each chunk', 8 * 4096, 513, null],
  ['all of a short chunk of two', 4096 + 512, 512, null],
  ['all of the only chunk', 512, 512, null],
])('%s: is a copy of it found?', (_, count, k, original) => {
  const compressor = sparseLoCo({ chunkSize: 4096, k, beta: 0 })
  const draw = drawsAt(1, 'simulation', [0, 0])
  const delta = Float32Array.from({ length: count }, () => draw() / 2 ** 32 - 0.5)
  const update = compressor.decompress(compressor.compress(delta, compressor.init(count)).bytes, count)
  const member = { update, norm: normOf(update) }
  expect(nearCopies([member, member], 0.95, 1)).toEqual([null, original])
})

/** A unit vector of `entries` places of 4,096: one at this angle between two that share none. */
function atAngle(degrees: number, entries: number) {
  const angle = (degrees / 180) * Math.PI
  const values = Float32Array.from({ length: entries }, (_, entry) =>
    entry % 2 === 0 ? Math.cos(angle) : Math.sin(angle),
  )
  const indices = Uint32Array.from({ length: entries }, (_, entry) => entry * 8)
  const update: SparseUpdate = { kind: 'sparse', parameterCount: 4096, indices, values }
  return { update, norm: normOf(update) }
}

test('a copy is nobody’s original: a row in which each is like the one before is no row of copies', () => {
  expect(
    nearCopies(
      [0, 15, 30].map((degrees) => atAngle(degrees, 200)),
      0.95,
      1,
    ),
  ).toEqual([null, 0, null])
  expect(
    nearCopies(
      [0, 0].map((degrees) => atAngle(degrees, 100)),
      0.95,
      1,
    ),
  ).toEqual([null, null])
})

test('the sketch loses no copy and makes none up: as with every pair compared exactly', () => {
  const compressed = (seed: number, share: number) =>
    topK.decompress(trained('x', seed, noisy(share)).bytes, 4096)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 20 })), { maxLength: 8 }),
      fc.integer(),
      (members, key) => {
        const updates = members.map(([seed, noise]) => {
          const update = compressed(seed, noise / 10)
          return { update, norm: normOf(update) }
        })
        const cosine = (a: number, b: number) =>
          innerProduct(toDense(updates[a]!.update), updates[b]!.update) /
          (updates[a]!.norm * updates[b]!.norm)
        const expected: (number | null)[] = []
        for (let later = 0; later < updates.length; later++) {
          const original = expected.findIndex(
            (copyOf, earlier) => copyOf === null && cosine(earlier, later) >= 0.95,
          )
          expected.push(original === -1 ? null : original)
        }
        expect(nearCopies(updates, 0.95, key)).toEqual(expected)
      },
    ),
    { numRuns: 15 },
  )
})

test('between two contributions no norm is the usual one', () => {
  const loud = submission('loud', [1, 2, 3, 4, 5, 6, 7, 8], 100)
  expect(admit([loud, ada], rules).admitted).toHaveLength(2)
})
