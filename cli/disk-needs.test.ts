import { expect, test } from 'vitest'
import { parseRunFile, type RunFile } from '../protocol/run-spec.ts'
import { diskNeeds } from './disk-needs.ts'

const parameterCount = 10_000
const all = { parameterCount, movingCount: parameterCount, moments: 2 }
type Sections = { readonly [Name in 'train' | 'averaging' | 'workers' | 'audit']?: Partial<RunFile[Name]> }
/** Contributions of int8 are a little more than a byte a parameter. */
const fileOf = ({ train, averaging, ...rest }: Sections = {}): RunFile =>
  parseRunFile(
    {
      data: { builtin: 'moby-dick' },
      train: { roundsPerEpoch: 2, epochs: 6, ...train },
      averaging: { compressor: 'int8', ...averaging },
      ...rest,
    },
    'the test',
  )
const bytesOf = (sections: Sections, needs = all) => diskNeeds(fileOf(sections), needs).totalBytes

test('of the segments that audits may draw a disk holds nothing, of two epochs and the newest round all, of checkpoints four', () => {
  expect(bytesOf({ audit: { segments: 16 } })).toBe(bytesOf({ audit: { segments: 1 } }))
  // Seven local states of three bf16 vectors, five contributions, four checkpoints in fp32.
  const bytes = parameterCount * (7 * 6 + 5 * 1 + 4 * 4)
  expect(bytesOf({}) / bytes).toBeGreaterThan(1)
  expect(bytesOf({}) / bytes).toBeLessThan(1.02)
  expect(bytesOf({ train: { epochs: 600 } })).toBe(bytesOf({}))
  // Fewer rounds than that are in the whole run.
  const short = parameterCount * (3 * 6 + 2 * 1 + 1 * 4)
  expect(bytesOf({ train: { epochs: 1 } }) / short).toBeCloseTo(1, 1)
})

test('what is frozen is there once, and what an optimizer does not carry is not', () => {
  const movingCount = 1_000
  const moving = bytesOf({}, { ...all, parameterCount: movingCount, movingCount })
  expect(bytesOf({}, { ...all, movingCount })).toBe(moving + 4 * (parameterCount - movingCount))
  expect(bytesOf({}) - bytesOf({}, { ...all, moments: 0 })).toBe(7 * 2 * 2 * parameterCount)
  const outer = { outer: 'nesterov' } as const
  expect(bytesOf({ averaging: outer }) - bytesOf({})).toBe(4 * 4 * parameterCount)
})

test('each further worker is another contribution a round', () => {
  const { totalBytes, bytesPerFurtherWorker } = diskNeeds(fileOf({ workers: { min: 3 } }), all)
  expect(diskNeeds(fileOf({ workers: { min: 4 } }), all).totalBytes).toBe(totalBytes + bytesPerFurtherWorker)
  expect(bytesPerFurtherWorker / (5 * parameterCount)).toBeCloseTo(1, 1)
})
