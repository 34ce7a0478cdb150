import { invalidProgram } from './graph.ts'
import type { OnnxModel, TensorType } from './onnx/model-proto.ts'
import { sameShape, type Value } from './operators/operator.ts'
import { type ProgramInfo, parameterInput } from './program-info.ts'

/**
 * Inputs and outputs are exactly those of the program's kind, of the sizes that its parameter table says.
 * @throws MurmurError PROGRAM_INVALID.
 */
export function checkInterface(
  { inputs, outputs }: OnnxModel,
  values: ReadonlyMap<string, Value>,
  info: ProgramInfo,
): void {
  const vector = { type: 'float32', shape: [info.parameterCount] } as const
  const scalar = { type: 'float32', shape: [] } as const
  const logits = { type: 'float32', shape: info.logits } as const
  const index = { type: 'int64', shape: [1] } as const
  const slot = { type: 'float32', shape: [info.table.movingCount] } as const
  const slots = (prefix: string) => info.optimizerSlots.map((name) => [prefix + name, slot] as const)
  const wanted = {
    training: {
      inputs: [
        ['params', vector],
        ['inputs', info.inputs],
        ['targets', info.targets],
        ...slots(''),
        ['learning_rate', scalar],
        ...info.betas.map((_, index) => [`bias${index + 1}`, scalar] as const),
      ],
      outputs: [['loss', scalar], ['next_params', vector], ...slots('next_'), ['grad_norm', scalar]],
    },
    evaluation: {
      inputs: [
        ['params', vector],
        ['inputs', info.inputs],
        ['targets', info.targets],
      ],
      outputs: [['loss', scalar], ...measures(info)],
    },
    sampling: {
      inputs: [
        ['params', vector],
        ['inputs', info.inputs],
      ],
      outputs: [['logits', logits]],
    },
    prefill: {
      inputs: [...parameterInputs(info), ['inputs', info.inputs], ['last', index]],
      outputs: [['logits', logits], ...cacheTensors(info, '', 'window')],
    },
    decoding: {
      inputs: [
        ...parameterInputs(info),
        ['inputs', info.inputs],
        ['position', index],
        ...cacheTensors(info, '', 'window'),
      ],
      outputs: [['logits', logits], ...cacheTensors(info, 'next_', 'token')],
    },
  } satisfies Record<ProgramInfo['kind'], Record<'inputs' | 'outputs', readonly NamedTensor[]>>
  const { inputs: wantedInputs, outputs: wantedOutputs } = wanted[info.kind]
  compare('input', inputs, wantedInputs, info)
  compare('output', outputs, wantedOutputs, info)
  for (const output of outputs) {
    const made = values.get(output.name)
    if (!made || made.type !== output.type || !sameShape(made.shape, output.shape)) {
      throw invalidProgram(`output ${output.name} is not what the graph computes`)
    }
  }
}

type NamedTensor = readonly [name: string, tensor: Omit<TensorType, 'name'>]

const parameterInputs = ({ table }: ProgramInfo): readonly NamedTensor[] =>
  table.parameters.map(({ name, shape }) => [parameterInput(name), { type: 'float32', shape }] as const)

/** Keys and values of each layer, of a whole window or of one token. */
function cacheTensors(
  { cache }: ProgramInfo,
  prefix: string,
  of: 'window' | 'token',
): readonly NamedTensor[] {
  const [layers, heads, tokens, width] = cache ?? [0, 0, 0, 0]
  const length = of === 'token' ? 1 : tokens
  return Array.from({ length: layers }, (_, layer): readonly NamedTensor[] => [
    [`${prefix}keys${layer}`, { type: 'float32', shape: [heads, width, length] }],
    [`${prefix}values${layer}`, { type: 'float32', shape: [heads, length, width] }],
  ]).flat()
}

/** What an evaluation tells beside the loss. */
const measures = ({ task }: ProgramInfo) =>
  task === 'classification' ? [['accuracy', { type: 'float32', shape: [] }] as const] : []

function compare(
  what: string,
  given: readonly TensorType[],
  wanted: readonly NamedTensor[],
  info: ProgramInfo,
): void {
  for (const [name, { type, shape }] of wanted) {
    const found = given.find((tensor) => tensor.name === name)
    if (!found) throw invalidProgram(`a ${info.kind} program must have the ${what} ${name}`)
    if (found.type !== type || !sameShape(found.shape, shape)) {
      throw invalidProgram(
        `${what} ${name} is ${found.type}[${found.shape}], its parameter table says ${type}[${shape}]`,
      )
    }
  }
  if (given.length !== wanted.length)
    throw invalidProgram(`a ${info.kind} program has ${wanted.length} ${what}s, not ${given.length}`)
}
