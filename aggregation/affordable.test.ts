import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMurmurError } from '../protocol/errors.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { checkAveraging } from './averaging.ts'
import { roundCost } from './round-cost.ts'

const rules = [
  'mean',
  'trimmed-mean',
  'median',
  'krum',
  'multi-krum',
  'geometric-median',
  'centered-clipping',
]
const denseCompressors = ['f32', 'bf16', 'f16', 'int8', 'int4', 'sign', 'demo']
const fileOf = (averaging: Record<string, unknown>, max: number) =>
  parseRunFile({ averaging, workers: { min: 1, max } }, 'run.yaml')

/** What is said of it; null where it is taken. */
function refusal(averaging: Record<string, unknown>, max: number, parameterCount: number) {
  try {
    checkAveraging(fileOf(averaging, max), { parameterCount, table: [] })
    return null
  } catch (error) {
    if (!isMurmurError(error)) throw error
    expect(error.code).toBe('AVERAGING_INVALID')
    return error
  }
}

test('the default takes the built-in model with as many workers as there can be, and 124 M with a few', () => {
  expect(refusal({}, 1024, 865_024)).toBeNull()
  expect(refusal({}, 4, 124_000_000)).toBeNull()
})

test('dense updates of a large model from many are refused, with what would do', () => {
  const error = refusal({ compressor: 'int8', rule: 'multi-krum' }, 256, 10_000_000)!
  expect(error.message).toMatch(/^averaging.rule multi-krum over 256 updates .* about \d+ s a round; 10 s/)
  const members = Number(/workers\.max to (\d+) or fewer/.exec(error.next)?.[1])
  expect(refusal({ compressor: 'int8', rule: 'multi-krum' }, members, 10_000_000)).toBeNull()
  expect(refusal({ compressor: 'int8', rule: 'multi-krum' }, members + 1, 10_000_000)).not.toBeNull()
})

test('a mean is refused for memory alone', () => {
  const error = refusal({ compressor: 'int8', rule: 'mean' }, 20, 124_000_000)!
  expect(error.message).toMatch(/takes every node \d+\.\d GiB; 8 GiB is the most/)
  expect(error.next).toMatch(/averaging\.compressor to sparse-loco/)
})

test('eager runs are told of no fragments, which they cannot have', () => {
  const section = { compressor: 'int8', rule: 'mean' }
  expect(refusal(section, 256, 50_000_000)!.next).toMatch(/averaging\.fragments to \d+/)
  expect(refusal({ ...section, schedule: 'eager' }, 256, 50_000_000)!.next).not.toMatch(/fragments/)
})

test('where nothing helps, a smaller model does', () => {
  expect(refusal({ rule: 'mean', schedule: 'eager' }, 1, 4_000_000_000)!.next).toMatch(/a smaller model/)
})

test('every change that is advised is enough by itself', () => {
  const compressor = fc.constantFrom('sparse-loco', ...denseCompressors)
  fc.assert(
    fc.property(
      ...([compressor, fc.constantFrom(...rules), fc.integer({ min: 1, max: 256 })] as const),
      fc.integer({ min: 1e6, max: 3e8 }),
      (compressor, rule, max, parameterCount) => {
        const byCoordinate = rule === 'median' || rule === 'trimmed-mean'
        fc.pre(!byCoordinate || (compressor !== 'demo' && compressor !== 'sparse-loco'))
        const error = refusal({ compressor, rule }, max, parameterCount)
        for (const [, section, key, value] of (error?.next ?? '').matchAll(
          /(workers|averaging)\.(\w+) to ([\w-]+)/g,
        )) {
          const change = section === 'averaging' ? { [key!]: Number(value) || value } : {}
          const members = section === 'workers' ? Number(value) : max
          expect(refusal({ compressor, rule, ...change }, members, parameterCount)).toBeNull()
        }
      },
    ),
    { numRuns: 100 },
  )
})

test('more members never cost less', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('sparse-loco', ...denseCompressors),
      fc.constantFrom('mean', 'krum', 'multi-krum', 'geometric-median', 'centered-clipping'),
      fc.integer({ min: 1, max: 255 }),
      (compressor, rule, members) => {
        const { averaging } = fileOf({ compressor, rule }, 256)
        const [fewer, more] = [members, members + 1].map((count) =>
          roundCost(averaging, count, { parameterCount: 1e6 }),
        )
        expect(more!.seconds).toBeGreaterThan(fewer!.seconds)
        expect(more!.bytes).toBeGreaterThan(fewer!.bytes)
      },
    ),
  )
})
