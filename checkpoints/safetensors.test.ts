import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readParameterFile, writeParameterFile } from './parameter-file.ts'
import { readSafetensors, type Tensor, writeSafetensors } from './safetensors.ts'

/** A file with this header, as text, and `dataBytes` zeros behind it. */
function fileOf(header: string, dataBytes = 0, headerLength?: bigint): Uint8Array {
  const json = Buffer.from(header)
  const file = new Uint8Array(8 + json.length + dataBytes)
  new DataView(file.buffer).setBigUint64(0, headerLength ?? BigInt(json.length), true)
  file.set(json, 8)
  return file
}

const isMalformed = expect.objectContaining({ code: 'SAFETENSORS_MALFORMED' })

test('reads what the Python library wrote, and writes the same bytes', async () => {
  const file = new Uint8Array(await readFile(new URL('./fixtures/python.safetensors', import.meta.url)))
  const read = readSafetensors(file)
  expect(read.metadata).toEqual(new Map([['format', 'np']]))
  expect([...read.tensors.keys()].sort()).toEqual(['__proto__', 'a', 'b.weight', 'empty', 'é'])
  const weight = read.tensors.get('b.weight')!
  expect(weight).toMatchObject({ dtype: 'F32', shape: [2, 3] })
  expect([...new Float32Array(weight.bytes.slice().buffer)]).toEqual([0, 0.5, 1, 1.5, 2, 2.5])
  expect(read.tensors.get('a')).toMatchObject({ dtype: 'F16', shape: [2] })
  expect(read.tensors.get('empty')).toMatchObject({ shape: [0, 4], bytes: new Uint8Array() })
  expect(writeSafetensors(read)).toEqual(file)
})

test.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array()],
  ['half a length', new Uint8Array(7)],
  ['a header longer than the file', fileOf('{}', 0, 3n)],
  ['a header of 2⁶⁴ − 1 bytes', fileOf('{}', 0, 2n ** 64n - 1n)],
  ['a header that begins with a space', fileOf(' {}')],
  ['text behind the header', fileOf('{} x')],
  ['an array', fileOf('[]')],
  ['no closing brace', fileOf('{"a":{}')],
  ['a byte that is not UTF-8', fileOf('{"a').fill(0xff, 10, 11)],
  ['half a surrogate pair', fileOf('{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')],
  ['a duplicate name', fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}')],
  ['a duplicate field', fileOf('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}')],
  ['an unknown dtype', fileOf('{"a":{"dtype":"F5","shape":[1],"data_offsets":[0,1]}}', 1)],
  ['a field too many', fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1)],
  ['a shape that is not its bytes', fileOf('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4)],
  [
    'a shape that overflows',
    fileOf('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
  ],
  ['a negative offset', fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}', 1)],
  ['a fraction', fileOf('{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}', 1)],
  ['a length beyond the data', fileOf('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', 1)],
  ['data of no tensor', fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 2)],
  ['a gap before the first', fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2)],
  [
    'an overlap',
    fileOf(
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
    ),
  ],
  ['metadata that is not text', fileOf('{"__metadata__":{"a":1}}')],
  ['deep nesting', fileOf(`{"a":${'['.repeat(100_000)}`)],
])('refuses %s', (_, file) => {
  expect(() => readSafetensors(file)).toThrow(isMalformed)
})

const sizes = new Map([
  ['F32', 4],
  ['I64', 8],
  ['U8', 1],
  ['BF16', 2],
])
const tensor = fc
  .record({ dtype: fc.constantFrom(...sizes.keys()), shape: fc.array(fc.nat(4), { maxLength: 3 }) })
  .map(({ dtype, shape }): Tensor => {
    const length = sizes.get(dtype)! * shape.reduce((product, size) => product * size, 1)
    return { dtype, shape, bytes: Uint8Array.from({ length }, (_, index) => index * 37) }
  })
const name = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', '"\\\n'))

test('what is written reads back, in one canonical form, whatever the order of insertion', () => {
  const entries = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 })
  fc.assert(
    fc.property(entries, fc.dictionary(name, fc.string()), (pairs, extra) => {
      const metadata = new Map(Object.entries(extra))
      const file = writeSafetensors({ tensors: new Map(pairs), metadata })
      expect(writeSafetensors({ tensors: new Map([...pairs].reverse()), metadata })).toEqual(file)
      expect(readSafetensors(file)).toEqual({ tensors: new Map(pairs), metadata })
      expect(new DataView(file.buffer).getBigUint64(0, true) % 8n).toBe(0n)
    }),
  )
})

test('a parameter file must hold exactly the tensors of its table', () => {
  const table = [
    { name: 'z', shape: [2, 2], offset: 0 },
    { name: 'a', shape: [1], offset: 4 },
  ]
  const theta = Float32Array.of(1, -0, 3, 4, 5)
  const file = writeParameterFile(theta, table)
  expect(readParameterFile(file, table)).toEqual(theta)
  const isMismatch = expect.objectContaining({ code: 'CHECKPOINT_MISMATCH' })
  for (const other of [
    [table[0]!],
    [table[0]!, { ...table[1]!, name: 'b' }],
    [{ ...table[0]!, shape: [4] }, table[1]!],
    [table[0]!, { ...table[1]!, offset: 2 ** 52 }],
    [{ ...table[1]!, offset: 0 }, { ...table[0]!, offset: 1 }, table[0]!],
  ]) {
    expect(() => readParameterFile(file, other)).toThrow(isMismatch)
  }
  expect(() => writeParameterFile(theta.subarray(1), table)).toThrow(isMismatch)
})
