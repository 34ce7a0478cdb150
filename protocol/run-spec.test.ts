import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { contentId } from './content-id.ts'
import { MurmurError } from './errors.ts'
import { cidOf } from './fixtures/names.ts'
import type { ModelSection } from './model-section.ts'
import { nearest } from './nearest.ts'
import {
  decodeRunSpec,
  encodeRunSpec,
  parseRunFile,
  type RunSpec,
  runFileJsonSchema,
  totalSteps,
} from './run-spec.ts'

function refusal(value: unknown): MurmurError {
  try {
    parseRunFile(value, 'run.yaml')
  } catch (error) {
    if (error instanceof MurmurError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('run file', () => {
  test('an empty file is a whole run', () => {
    const file = parseRunFile(null, 'run.yaml')
    expect(file).toMatchObject({ name: 'run', model: { preset: 'gpt', width: 128 }, reward: null })
    const { innerSteps, roundsPerEpoch, epochs } = file.train
    expect(totalSteps(file)).toBe(innerSteps * roundsPerEpoch * epochs)
    expect(parseRunFile({ reward: {} }, 'run.yaml').reward).toEqual({
      perEpoch: '100',
      disputeWindowSeconds: 2,
    })
  })

  test.each([
    ['a misspelt section', { modle: {} }, 'unknown key modle, did you mean model?'],
    ['a misspelt key', { train: { innerstep: 5 } }, 'unknown key train.innerstep, did you mean innerSteps?'],
    [
      'a key of the reward',
      { reward: { perEpock: '1' } },
      'unknown key reward.perEpock, did you mean perEpoch?',
    ],
    ['a key like no other', { train: { quux: 1 } }, 'unknown key train.quux'],
    ['a string for a number', { train: { batch: '16' } }, 'train.batch'],
    ['no layers', { model: { layers: 0 } }, 'model.layers'],
    [
      'a width that heads do not divide',
      { model: { width: 130, heads: 4 } },
      'not a multiple of model.heads (4)',
    ],
    [
      'more segments than steps',
      { train: { innerSteps: 3 }, audit: { segments: 4 } },
      'audit.segments: more than train.innerSteps (3)',
    ],
    ['min over max', { workers: { min: 3, max: 2 } }, 'workers.min: more than workers.max (2)'],
    ['a target over max', { workers: { target: 3, max: 2 } }, 'workers.target: more than workers.max (2)'],
    ['a target under min', { workers: { min: 3, target: 2 } }, 'workers.target: less than workers.min (3)'],
    ['memory in words', { resources: { memoryBytes: 'plenty' } }, 'resources.memoryBytes'],
    ['memory below nothing', { resources: { memoryBytes: -1 } }, 'resources.memoryBytes'],
    ['a device that there is not', { resources: { device: 'tpu' } }, 'resources.device'],
    ['a strategy that there is not', { placement: { strategy: 'pack' } }, 'placement.strategy'],
    [
      'a label key that no node can have',
      { placement: { over: 'My Region' } },
      'placement.over: a label key',
    ],
    [
      'a key of the resources',
      { resources: { memorybytes: 1 } },
      'unknown key resources.memorybytes, did you mean memoryBytes?',
    ],
    ['products in what no engine has', { train: { compute: 'bf16' } }, 'train.compute'],
    [
      'pay for products in float16',
      { train: { compute: 'f16' }, reward: { perEpoch: '1' } },
      'train.compute: audits of float16 between unlike engines are too coarse to pay by',
    ],
    ['infinite learning', { train: { learningRate: Number.POSITIVE_INFINITY } }, 'train.learningRate'],
    ['a seed past exact integers', { train: { seed: 2 ** 53 } }, 'train.seed'],
    ['a reward that is a float', { reward: { perEpoch: 30.5 } }, 'reward.perEpoch'],
    ['a reward in words', { reward: { perEpoch: '1e9' } }, 'a decimal number of tokens in quotes'],
    ['two sources of data', { data: { builtin: 'moby-dick', file: 'x' } }, 'data: give one of'],
    ['an unknown source', { data: { url: 'https://example.org' } }, 'unknown key data.url'],
    ['no source', { data: { seed: 1 } }, 'data: give one of'],
    ['a misspelt key of the data', { data: { fiel: 'x' } }, 'unknown key data.fiel, did you mean'],
    ['labels of a folder', { data: { folder: 'x', labels: 'y' } }, 'data.labels: needs data.file'],
    ['rows of text', { data: { file: 'x.jsonl', field: 'a', target: 'b' } }, 'data.target: data.field says'],
    [
      'a model that there is not',
      { model: { preset: 'rnn' } },
      'model.preset: one of gpt, linear, mlp, cnn and onnx',
    ],
    ['a key of another preset', { model: { preset: 'mlp', layers: 3 } }, 'unknown key model.layers'],
    [
      'a misspelt key of a preset',
      { model: { preset: 'cnn', filter: [3] } },
      'unknown key model.filter, did you mean filters?',
    ],
    ['no hidden layers', { model: { preset: 'mlp', hidden: [] } }, 'model.hidden'],
    [
      'classes and outputs',
      { model: { preset: 'linear', classes: 2, outputs: 1 } },
      'model.outputs: a model has either',
    ],
    ['a list', [], 'the file'],
    ['text', 'model', 'the file'],
    ['__proto__', JSON.parse('{"__proto__": {"name": "x"}}'), 'unknown key __proto__'],
    ['__proto__ inside', JSON.parse('{"train": {"__proto__": {}}}'), 'unknown key train.__proto__'],
    ['constructor', { constructor: {} }, 'unknown key constructor'],
  ])('%s is refused with its place', (_, value, message) => {
    const error = refusal(value)
    expect(error).toMatchObject({ code: 'RUN_FILE_INVALID', exit: 'usage' })
    expect(error.message).toContain(`run.yaml: `)
    expect(error.message).toContain(message)
  })

  test('a file from before resources and placement means what it meant', () => {
    expect(parseRunFile({ workers: { min: 2 } }, 'run.yaml')).toMatchObject({
      workers: { min: 2, target: null, max: 32, quorum: 0.5 },
      resources: { device: 'any', memoryBytes: 0, minTokensPerSecond: 0 },
      placement: { strategy: 'PACK' },
    })
  })

  test.each([
    ['2GiB', 2 * 2 ** 30],
    ['1.5 MB', 1_500_000],
    ['0B', 0],
    [4096, 4096],
  ])('%s are bytes', (written, bytes) => {
    expect(parseRunFile({ resources: { memoryBytes: written } }, 'run.yaml').resources.memoryBytes).toBe(
      bytes,
    )
  })

  test.each([
    [{ optimizer: 'adamw', momentum: 0.5 }, 'train.momentum: adamw has none'],
    [{ optimizer: 'sgd', beta1: 0.5 }, 'train.beta1: sgd has none'],
    [{ optimizer: 'lion', nesterov: true }, 'train.nesterov: lion'],
    [{ optimizer: 'sgd', nesterov: true, momentum: 0 }, 'train.nesterov: without momentum'],
  ])('a constant that would be without effect is refused: %j', (train, problem) => {
    expect(refusal({ train }).message).toContain(problem)
  })

  test('several problems are told at once, a flood is cut', () => {
    const flood = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}${'x'.repeat(200)}`, 1]))
    expect(refusal({ train: { batch: 0, epochs: 0 } }).message).toMatch(/train\.batch.*train\.epochs/)
    expect(refusal(flood).message.length).toBeLessThan(2000)
  })

  test('its JSON Schema names every section and asks for none', () => {
    const schema = runFileJsonSchema() as { properties: object; required?: string[] }
    expect(Object.keys(schema.properties).join(' ')).toBe(
      'name data model init train averaging workers resources placement audit timing reward',
    )
    expect(schema.required ?? []).toEqual([])
  })
})

const { data: _, reward: __, model, ...rest } = parseRunFile({ name: 'a-run' }, 'run.yaml')
const shared = { ...rest, model: model as ModelSection }
const spec: RunSpec = {
  version: 1,
  nonce: 'n',
  programs: { training: cidOf('training'), evaluation: cidOf('evaluation'), sampling: cidOf('sampling') },
  data: cidOf('data'),
  ...shared,
  init: { weights: cidOf('weights') },
  reward: { perEpochWei: '100', disputeWindowSeconds: 2 },
}

describe('run spec', () => {
  test('round trip, with programs and data as links', () => {
    const bytes = encodeRunSpec(spec)
    expect(decodeRunSpec(bytes)).toEqual(spec)
    const { programs, data } = dagCbor.decode<{ programs: Record<string, unknown>; data: unknown }>(bytes)
    expect([...Object.values(programs), data].every((link) => link instanceof CID)).toBe(true)
  })

  test('a spec from before train.compute reads as f32, and keeps its bytes', () => {
    const { compute, ...train } = spec.train
    const encoded = dagCbor.decode<Record<string, unknown>>(encodeRunSpec(spec))
    const old = dagCbor.encode({ ...encoded, train })
    expect(compute).toBe('f32')
    expect(decodeRunSpec(old)).toEqual(spec)
    expect(encodeRunSpec(spec)).toEqual(old)
    const half: RunSpec = { ...spec, train: { ...spec.train, compute: 'f16' }, reward: null }
    expect(decodeRunSpec(encodeRunSpec(half))).toEqual(half)
    // One run would have two ids.
    const spelled = dagCbor.encode({ ...encoded, train: spec.train })
    expect(() => decodeRunSpec(spelled)).toThrow(/canonical/)
  })

  test('the same spec has the same CID, however its keys are ordered; another nonce another', () => {
    const reversed = Object.fromEntries(Object.entries(spec).reverse()) as unknown as RunSpec
    const id = (of: RunSpec) => contentId(encodeRunSpec(of), 'dag-cbor')
    expect(id(reversed)).toBe(id(spec))
    expect(id({ ...spec, nonce: 'm' })).not.toBe(id(spec))
  })

  const object = (): Record<string, unknown> => dagCbor.decode(encodeRunSpec(spec))
  const section = (key: string): Record<string, unknown> => object()[key] as Record<string, unknown>
  const { train: ___, ...withoutTrain } = object()
  const { batch: ____, ...withoutBatch } = section('train')
  test.each<[string, Uint8Array]>([
    ['another key', dagCbor.encode({ ...object(), code: 'rm -rf' })],
    ['a missing section', dagCbor.encode(withoutTrain)],
    ['pay for float16', encodeRunSpec({ ...spec, train: { ...spec.train, compute: 'f16' } })],
    // A default would be filled in, and one run would have two ids.
    ['a missing key', dagCbor.encode({ ...object(), train: withoutBatch })],
    // A spec has one form: bytes are a number in it.
    [
      'bytes in words',
      dagCbor.encode({ ...object(), resources: { ...shared.resources, memoryBytes: '2GiB' } }),
    ],
    ['another version', dagCbor.encode({ ...object(), version: 2 })],
    ['text for a link', dagCbor.encode({ ...object(), data: cidOf('data') as string })],
    [
      'a link to something else',
      dagCbor.encode({ ...object(), data: CID.createV1(0x01, CID.parse(cidOf('x')).multihash) }),
    ],
    [
      'a width that heads do not divide',
      dagCbor.encode({ ...object(), model: { ...shared.model, width: 130 } }),
    ],
    [
      'too many segments',
      dagCbor.encode({
        ...object(),
        audit: { ...shared.audit, segments: 16 },
        train: { ...shared.train, innerSteps: 15 },
      }),
    ],
    ['zero layers', dagCbor.encode({ ...object(), model: { ...shared.model, layers: 0 } })],
    ['trailing bytes', Buffer.concat([encodeRunSpec(spec), Buffer.of(0)])],
    ['a list', dagCbor.encode([])],
    ['nothing', new Uint8Array()],
    ['noise', Buffer.from('not cbor at all')],
    ['too many bytes', new Uint8Array(4 * 1024 * 1024 + 1)],
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeRunSpec(bytes)).toThrow(expect.objectContaining({ code: 'RUN_SPEC_INVALID' }))
  })
})

test.each([
  ['inerSteps', 'innerSteps'],
  ['BATCH', 'batch'],
  ['x'.repeat(100_000), undefined],
  ['', undefined],
])('nearest(%s)', (word, expected) => {
  expect(nearest(word, ['batch', 'innerSteps', 'epochs'])).toBe(expected)
})
