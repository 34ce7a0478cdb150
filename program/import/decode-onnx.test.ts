import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMurmurError } from '../../protocol/errors.ts'
import { decodeOnnx } from './decode-onnx.ts'
import { insideFolder } from './decode-tensor.ts'
import { floatTensor, writeOnnx } from './fixtures/write-onnx.ts'
import { importModel } from './import-model.ts'
import { halfOf } from './tensor-data.ts'

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url))
const valuesOf = (tensor: object) => {
  const nodes = [{ op: 'Add', from: ['x', 'w'], to: ['y'] }]
  const { initializers } = decodeOnnx(writeOnnx({ nodes, initializers: [{ name: 'w', ...tensor }] }))
  return [...initializers.get('w')!.read().values]
}

describe('tensors are read in every form that exporters write', () => {
  const bytes = (...list: number[]) => Uint8Array.from(list)
  test.each<[string, object, readonly number[]]>([
    ['raw float32', { dims: [2], data_type: 1, raw_data: bytes(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0) }, [1, -2]],
    ['a list of float32', { dims: [2], data_type: 1, float_data: [0.5, -3] }, [0.5, -3]],
    ['raw float16', { dims: [2], data_type: 10, raw_data: bytes(0, 0x3c, 0, 0xc1) }, [1, -2.5]],
    ['a list of float16 bits', { dims: [1], data_type: 10, int32_data: [0x3c00] }, [1]],
    ['raw bfloat16', { dims: [1], data_type: 16, raw_data: bytes(0x80, 0xbf) }, [-1]],
    ['a list of float64', { dims: [1], data_type: 11, double_data: [0.1] }, [Math.fround(0.1)]],
    ['raw int64', { dims: [1], data_type: 7, raw_data: bytes(254, 255, 255, 255, 255, 255, 255, 255) }, [-2]],
    ['a list of int64', { dims: [2], data_type: 7, int64_data: [-5, 7] }, [-5, 7]],
    ['a list of int32', { dims: [2], data_type: 6, int32_data: [-5, 7] }, [-5, 7]],
    ['raw bool', { dims: [3], data_type: 9, raw_data: bytes(0, 1, 2) }, [0, 1, 1]],
    ['int8', { dims: [1], data_type: 3, raw_data: bytes(255) }, [-1]],
    ['a scalar', { dims: [], data_type: 1, float_data: [4] }, [4]],
  ])('%s', (_, tensor, values) => {
    expect(valuesOf(tensor)).toEqual(values)
  })

  test('float16 has subnormal numbers, infinities and NaN', () => {
    expect([0x0001, 0x8000, 0x7bff, 0xfc00, 0x7c01].map(halfOf)).toEqual([
      2 ** -24,
      -0,
      65504,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ])
  })

  test('the largest int64, with which exporters say “to the end”, stays larger than any axis', () => {
    const [value] = valuesOf({
      dims: [1],
      data_type: 7,
      raw_data: bytes(255, 255, 255, 255, 255, 255, 255, 127),
    })
    expect(value).toBe(Number.MAX_SAFE_INTEGER)
  })
})

describe('external data', () => {
  const nodes = [{ op: 'MatMul', from: ['x', 'w'], to: ['y'] }]
  const at = (location: string, offset: string, length: string) =>
    writeOnnx({
      nodes,
      initializers: [
        {
          name: 'w',
          dims: [3, 1],
          data_type: 1,
          data_location: 1,
          external_data: Object.entries({ location, offset, length }).map(([key, value]) => ({ key, value })),
        },
      ],
    })

  test('is read where the file says, and only once it is needed', () => {
    const asked: unknown[] = []
    const model = decodeOnnx(at('weights/model.data', '16', '12'), (...place) => {
      asked.push(place)
      return new Uint8Array(Float32Array.of(1, 2, 3).buffer)
    })
    expect(asked).toEqual([])
    expect([...model.initializers.get('w')!.read().values]).toEqual([1, 2, 3])
    expect(asked).toEqual([['weights/model.data', 16, 12]])
  })

  test.each([
    ['a way out of the folder', at('../secret', '0', '12')],
    ['a way out further down', at('a/../../secret', '0', '12')],
    ['an absolute path', at('/etc/passwd', '0', '12')],
    ['a path of another system', at('C:\\data', '0', '12')],
    ['another length than the shape takes', at('model.data', '0', '13')],
    ['an offset that is no number', at('model.data', '1e3', '12')],
    ['no place', at('', '0', '12')],
  ])('%s is refused', (_, bytes) => {
    const read = () => expect.fail('nothing is read')
    expect(() => decodeOnnx(bytes, read)).toThrow(expect.objectContaining({ exit: 'usage' }))
  })

  test('paths inside the folder are those without a step up', () => {
    expect(['model.data', 'a/b.bin', './a', '..data'].every(insideFolder)).toBe(true)
    expect(['..', 'a/..', '/a', 'C:a', 'a\\b', 'a\0'].some(insideFolder)).toBe(false)
  })
})

test.each([
  ['a shape that overflows', { dims: [2 ** 31, 2 ** 31], data_type: 1 }, 'ONNX_MALFORMED'],
  [
    'a billion values',
    { dims: [1_000_000_000], data_type: 1, raw_data: new Uint8Array(8) },
    'ONNX_UNSUPPORTED',
  ],
  ['a negative size', { dims: [-1], data_type: 1 }, 'ONNX_MALFORMED'],
  ['too few bytes', { dims: [2], data_type: 1, raw_data: new Uint8Array(4) }, 'ONNX_MALFORMED'],
  ['too many values', { dims: [1], data_type: 7, int64_data: [1, 2] }, 'ONNX_MALFORMED'],
  ['a list of another type', { dims: [1], data_type: 1, int64_data: [1] }, 'ONNX_MALFORMED'],
  ['text', { dims: [1], data_type: 8 }, 'ONNX_UNSUPPORTED'],
  ['nine axes', { dims: Array(9).fill(1), data_type: 1, float_data: [1] }, 'ONNX_MALFORMED'],
])('a tensor with %s is refused', (_, tensor, code) => {
  expect(() => valuesOf(tensor)).toThrow(expect.objectContaining({ code, exit: 'usage' }))
})

test.each([12, 22])('opset %i is refused', (opset) => {
  const nodes = [{ op: 'Relu', from: ['x'], to: ['y'] }]
  expect(() => decodeOnnx(writeOnnx({ nodes, opset }))).toThrow(/opset/)
})

/** Reads bytes as far as programs are built of them; anything but a coded error is a fault. */
function refusedOrRead(bytes: Uint8Array): void {
  try {
    importModel(decodeOnnx(bytes), { loss: 'mse' }).modelOf(2)
  } catch (error) {
    if (!isMurmurError(error)) throw error
  }
}

describe('bytes from anywhere are read or refused, never trusted', () => {
  const names = ['recurrent-legacy', 'resnet-legacy', 'transformer-dynamo', 'lstm-legacy', 'gru-dynamo']
  const files = names.map((name) => fixture(`${name}.onnx`))
  const reference = { name: 'transB', ref_attr_name: 'turned', type: 2 }
  const tiny = writeOnnx({
    nodes: [{ op: 'Gemm', from: ['x', 'w'], to: ['y'], attributes: [{ name: 'transB', i: 1, type: 2 }] }],
    initializers: [floatTensor('w', [2, 3], [1, 2, 3, 4, 5, 6])],
  })

  test('random bytes', async () => {
    await fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refusedOrRead(bytes)),
      { numRuns: 500, seed: 1 },
    )
  })

  test('every truncation of a small file', () => {
    for (let length = 0; length < tiny.length; length++) refusedOrRead(tiny.subarray(0, length))
    expect(() => decodeOnnx(tiny.subarray(0, tiny.length - 1))).toThrow()
  })

  test('every single bit of a small file', () => {
    for (let bit = 0; bit < tiny.length * 8; bit++) {
      const flipped = tiny.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      refusedOrRead(flipped)
    }
  })

  const calling = writeOnnx({
    functions: [
      {
        ...{ name: 'Own', from: ['x', 'w'], to: ['y'], attributes: ['turned'] },
        nodes: [{ op: 'Gemm', from: ['x', 'w'], to: ['y'], attributes: [reference] }],
        defaults: [{ name: 'turned', i: 1, type: 2 }],
      },
    ],
    nodes: [{ op: 'Own', domain: 'test.functions', from: ['x', 'fc.w'], to: ['y'] }],
    initializers: [floatTensor('fc.w', [2, 3], [1, 2, 3, 4, 5, 6])],
  })

  test('every truncation and every single bit of a file with a function', () => {
    expect(importModel(decodeOnnx(calling), { loss: 'mse' }).table.count).toBe(6)
    for (let length = 0; length < calling.length; length++) refusedOrRead(calling.subarray(0, length))
    for (let bit = 0; bit < calling.length * 8; bit++) {
      const flipped = calling.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      refusedOrRead(flipped)
    }
  })

  test('bits and bytes of exported files', async () => {
    await fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: 1 }),
        (file, changes, kept) => {
          const bytes = Uint8Array.from(file)
          for (const [place, value] of changes) bytes[Math.floor(place * bytes.length)] = value
          refusedOrRead(bytes.subarray(0, Math.ceil(kept * bytes.length)))
        },
      ),
      { numRuns: 80, seed: 2 },
    )
  })
})
