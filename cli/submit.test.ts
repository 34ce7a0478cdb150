import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepareRun, readRunFile } from './submit.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-submit-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(text: string): Promise<string> {
  const file = path.join(folder, 'run.yaml')
  await writeFile(file, text)
  return file
}
const refusal = async (text: string, ...overrides: string[]) =>
  await readRunFile(await fileOf(text), overrides).then(
    () => 'accepted',
    ({ code, message, exit }) => `${exit} ${code} ${message}`,
  )

test.each([
  ['a: [b', /RUN_FILE_INVALID .*is not YAML/],
  ['name: x\n---\nname: y', /RUN_FILE_INVALID .*is not YAML.*multiple documents/],
  ['name: x\nname: y', /RUN_FILE_INVALID .*is not YAML/],
  ['name: !!js/function 1', /RUN_FILE_INVALID .*is not YAML.*tag/],
  ['name: &a x\ndata: {file: *a}', /RUN_FILE_INVALID .*is not YAML.*[Aa]lias/],
  ['['.repeat(20_000), /RUN_FILE_INVALID .*is not YAML/],
  [`# ${'x'.repeat(1024 * 1024)}`, /RUN_FILE_INVALID .*over 1048576/],
  ['text', /RUN_FILE_INVALID .*expected object/],
  ['modle: {}', /RUN_FILE_INVALID .*unknown key modle, did you mean model\?/],
  ['model: {layer: 3}', /RUN_FILE_INVALID .*unknown key model.layer, did you mean layers\?/],
  ['__proto__: {layers: 1}', /RUN_FILE_INVALID .*unknown key __proto__/],
  ['model: {__proto__: {layers: 1}}', /RUN_FILE_INVALID .*unknown key model.__proto__/],
  ['train: {epochs: "x"}', /RUN_FILE_INVALID .*train.epochs: .*expected number/],
  ['model: {layers: 0}', /RUN_FILE_INVALID .*model.layers/],
  ['model: {width: 130}', /RUN_FILE_INVALID .*model.width: 130 is not a multiple of model.heads \(4\)/],
])('a run file that is wrong is refused with the place and the reason: %.30s', async (text, reason) => {
  const told = await refusal(text)
  expect(told).toMatch(/^usage /)
  expect(told).toMatch(reason)
})

test.each([
  ['foo', /OVERRIDE_INVALID --set foo is not key=value/],
  ['train.epochs=[x', /OVERRIDE_INVALID the value of --set train.epochs=\[x is not YAML/],
  ['__proto__.x=1', /OVERRIDE_INVALID/],
  ['model.__proto__.layers=1', /RUN_FILE_INVALID .*unknown key model.__proto__/],
  ['train.epoch=2', /RUN_FILE_INVALID .*did you mean epochs\?/],
])('an override that is wrong is refused: %s', async (override, reason) => {
  expect(await refusal('name: x', override)).toMatch(reason)
  expect(({} as Record<string, unknown>).x).toBeUndefined()
})

test('a missing file and a folder are no run files; an empty file means every default', async () => {
  await expect(readRunFile(path.join(folder, 'none.yaml'))).rejects.toMatchObject({
    code: 'RUN_FILE_MISSING',
    exit: 'usage',
  })
  await expect(readRunFile(folder)).rejects.toMatchObject({ code: 'RUN_FILE_MISSING' })
  expect(await readRunFile(await fileOf(''), ['train.epochs=7'])).toMatchObject({
    data: { builtin: 'moby-dick' },
    train: { epochs: 7 },
  })
})

test('data is looked up beside the run file', async () => {
  const { data } = await readRunFile(await fileOf('data: {file: text.txt}'))
  expect(data).toEqual({ file: path.join(folder, 'text.txt') })
})

test.each([
  'model: {layers: 10000, width: 16384}',
  'model: {context: 100000}',
  'model: {context: 1000000}\ntrain: {batch: 1000000}',
])(
  'a model that is too big for memory is refused with the numbers, before its data is read: %s',
  async (text) => {
    const file = await readRunFile(await fileOf(`${text}\ndata: {file: none.txt}`))
    await expect(prepareRun(file)).rejects.toMatchObject({
      code: 'MODEL_TOO_BIG',
      exit: 'infeasible',
      message: expect.stringMatching(/takes .* GiB .* the limit is /),
    })
  },
)

test('a submission id has a bound', async () => {
  await expect(prepareRun(await readRunFile(await fileOf('')), 'x'.repeat(65))).rejects.toMatchObject({
    code: 'SUBMISSION_ID_INVALID',
    exit: 'usage',
  })
})
