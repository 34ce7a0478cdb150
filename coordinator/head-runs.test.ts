import { expect, test } from 'vitest'
import { decodeModel } from '../program/onnx/decode-model.ts'
import { encodeModel } from '../program/onnx/model-proto.ts'
import { int } from '../program/operators/operator.ts'
import { buildTrainingProgram } from '../program/training-program.ts'
import { contentId } from '../protocol/content-id.ts'
import { cidOf } from '../protocol/fixtures/names.ts'
import { runId } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile } from '../protocol/run-spec.ts'
import { HeadRuns, type HeadRunsDependencies } from './head-runs.ts'

/* What is refused before it is journaled. */

const shape = { preset: 'mlp', features: 2, hidden: [4], classes: 2 } as const
type Programs = ReturnType<typeof buildTrainingProgram>

/** Submits a run of these programs: how that ended, and what was journaled. */
async function submit(
  train: { readonly innerSteps?: number; readonly compute?: 'f32' | 'f16' },
  programs: Pick<Programs, 'training' | 'evaluation' | 'sampling'>,
) {
  const file = parseRunFile(
    { model: { preset: 'mlp', hidden: [4], classes: 2 }, data: { builtin: 'mnist' }, train },
    'run.yaml',
  )
  const { training, evaluation, sampling } = programs
  const cidOfProgram = (program: Uint8Array) => contentId(program, 'raw')
  const spec = encodeRunSpec({
    ...{ ...file, version: 1, nonce: 'n', data: cidOf('data'), init: null, reward: null },
    model: { ...shape, hidden: [...shape.hidden], outputs: null },
    programs: {
      training: cidOfProgram(training),
      evaluation: cidOfProgram(evaluation),
      sampling: cidOfProgram(sampling),
    },
  })
  const blocks = new Map([
    ...[training, evaluation, sampling].map((program) => [cidOfProgram(program), program] as const),
    [contentId(spec, 'dag-cbor'), spec],
  ])
  const journaled: unknown[] = []
  const runs = new HeadRuns({
    ...{ archive: { has: () => false }, chain: null, clock: { now: () => 1 } },
    store: { blocks: { get: async (cid: never) => blocks.get(cid) } },
    journal: { append: (record: unknown) => journaled.push(record), durable: async () => {} },
  } as unknown as HeadRunsDependencies)
  const submitted = runs.submit(runId(contentId(spec, 'dag-cbor')), { priority: 0, owner: 'me' })
  const refusal = await submitted.then(
    () => null,
    (error: unknown) => error,
  )
  return { refusal, journaled }
}

/** The program with what its first layer reads rounded to float16. */
function inHalf(program: Uint8Array): Uint8Array {
  const model = decodeModel(program)
  const at = model.nodes.findIndex(({ opType }) => opType === 'Gemm' || opType === 'MatMul')
  const layer = model.nodes[at]!
  const cast = (input: string, output: string, to: number) => ({
    ...{ name: output, opType: 'Cast', inputs: [input], outputs: [output] },
    attributes: new Map([['to', int(to)]]),
  })
  const rounded = { ...layer, inputs: ['rounded', ...layer.inputs.slice(1)] }
  const casts = [cast(layer.inputs[0]!, 'half', 10), cast('half', 'rounded', 1)]
  return encodeModel({ ...model, nodes: model.nodes.toSpliced(at, 1, ...casts, rounded) })
}

test('a run whose rounds hold more tokens than a reveal can tell', async () => {
  const programs = buildTrainingProgram({ ...shape, batch: 40_000 })
  const { refusal, journaled } = await submit({ innerSteps: 60_000 }, programs)
  expect(refusal).toMatchObject({ code: 'ROUND_TOO_LONG', exit: 'usage' })
  expect(journaled).toEqual([])
})

test('a run that says another precision than its training program computes in', async () => {
  const [single, half] = (['f32', 'f16'] as const).map((compute) =>
    buildTrainingProgram({ ...shape, batch: 4 }, { compute }),
  )
  const differs = { code: 'COMPUTE_DIFFERS', exit: 'usage' }
  expect(await submit({ compute: 'f16' }, single!)).toMatchObject({ refusal: differs, journaled: [] })
  expect(await submit({ compute: 'f32' }, half!)).toMatchObject({ refusal: differs, journaled: [] })
  // What both say alike goes on to the data, which is not there.
  expect(await submit({ compute: 'f16' }, half!)).toMatchObject({ refusal: { code: 'BLOCK_MISSING' } })
})

test('evaluation and sampling in float16', async () => {
  const programs = buildTrainingProgram({ ...shape, batch: 4 })
  expect(await submit({}, programs)).toMatchObject({ refusal: { code: 'BLOCK_MISSING' } })
  for (const kind of ['evaluation', 'sampling'] as const)
    expect(await submit({}, { ...programs, [kind]: inHalf(programs[kind]) })).toMatchObject({
      refusal: {
        code: 'PROGRAMS_DIFFER',
        exit: 'usage',
        message: expect.stringContaining(`the ${kind} program`),
      },
      journaled: [],
    })
})
