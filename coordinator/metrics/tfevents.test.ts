import { expect, test } from 'vitest'
import { fileVersionRecord, scalarRecord } from './tfevents.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/* The bytes that tensorboard's own EventFileWriter (2.21) wrote of the same events. */
test('an event file begins as TensorBoard’s own writer begins one', () => {
  expect(hex(fileVersionRecord(1_800_000_000))).toBe(
    '1800000000000000a37f4b22090000008074d2da411a0d627261696e2e4576656e743a3248f03b53',
  )
})

test('scalars of a step are framed as by TensorBoard’s own writer', () => {
  const scalars = new Map([
    ['loss/train', 2.5],
    ['round/workers', 0],
  ])
  expect(hex(scalarRecord(1_800_000_001.5, 300, scalars))).toBe(
    '3700000000000000e7e8ca59090000608074d2da4110ac022a290a110a0a6c6f73732f747261696e15000020400a140a0d726f756e642f776f726b6572731500000000de5dbe07',
  )
})
