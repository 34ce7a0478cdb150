import { setImmediate as turn } from 'node:timers/promises'
import type { Tensor } from '@tensorflow/tfjs-core'
import { decodeModel } from '../../../program/onnx/decode-model.ts'
import type { OnnxModel, OnnxNode, OnnxTensor } from '../../../program/onnx/model-proto.ts'
import { invariant } from '../../../protocol/errors.ts'
import { lacksHalf } from '../half-support.ts'
import { engineFailed, type PlainTensor, type ProgramLoader } from '../runner.ts'
import type { Tf } from './backend.ts'
import { indexingRules } from './indexing-rules.ts'
import { layoutRules } from './layout-rules.ts'
import { pointwiseRules } from './pointwise-rules.ts'
import { productRules } from './product-rules.ts'
import { reductionRules } from './reduction-rules.ts'
import type { Rule } from './rule.ts'

export const rules: ReadonlyMap<string, Rule> = new Map([
  ...pointwiseRules,
  ...layoutRules,
  ...reductionRules,
  ...indexingRules,
  ...productRules,
])

/** An abort is looked for this often. */
const nodesPerTurn = 64

/** Runs programs node by node; every tensor is freed after its last use. */
export function interpret(tf: Tf): ProgramLoader {
  return async (bytes, program) => {
    if (program.compute === 'f16') throw lacksHalf('tfjs has no float16')
    const model = decodeModel(bytes, bytes.length)
    const constants = new Map(
      model.initializers.map((constant) => [constant.name, tensorOf(tf, plain(constant))]),
    )
    const ints = new Map(
      model.initializers.flatMap(({ name, type, ...constant }) =>
        type === 'int64'
          ? [[name, Array.from(plain({ name, type, ...constant }).data, Number)] as const]
          : [],
      ),
    )
    const spent = lastUses(model)
    return {
      async run(feeds, results, signal) {
        const values = new Map(constants)
        const dispose = (name: string) => {
          if (!constants.has(name)) values.get(name)?.dispose()
          values.delete(name)
        }
        for (const { name } of model.inputs) values.set(name, tensorOf(tf, feeds[name]!))
        try {
          for (const [index, node] of model.nodes.entries()) {
            if (signal !== undefined && index % nodesPerTurn === 0) {
              await turn()
              signal.throwIfAborted()
            }
            const made = compute(tf, node, values, ints)
            node.outputs.forEach((name, output) => {
              values.set(name, made[output]!)
            })
            for (const name of spent[index]!) dispose(name)
          }
          for (const [name, { data }] of Object.entries(results))
            (data as Float32Array).set(values.get(name)!.dataSync() as Float32Array)
        } finally {
          for (const name of [...values.keys()]) dispose(name)
        }
      },
      async release() {
        for (const constant of constants.values()) constant.dispose()
      },
    }
  }
}

function compute(
  tf: Tf,
  { name, opType, inputs, outputs, attributes }: OnnxNode,
  values: ReadonlyMap<string, Tensor>,
  ints: ReadonlyMap<string, readonly number[]>,
): readonly Tensor[] {
  const rule = rules.get(opType)
  invariant(rule !== undefined, `${opType} has a rule`)
  const x = inputs.map((input) => values.get(input)!)
  const node = {
    tf,
    x,
    attributes,
    outputCount: outputs.length,
    ints: (at: number) => ints.get(inputs[at] ?? ''),
  }
  try {
    return tf.tidy(() => {
      const made = [rule(node)].flat() as Tensor[]
      return made.map((tensor) => (x.includes(tensor) ? tensor.clone() : tensor))
    })
  } catch (cause) {
    throw engineFailed(`tfjs, node ${name}`, cause)
  }
}

/** Names of the values that are of no more use after each node; outputs are. */
function lastUses({ nodes, outputs }: OnnxModel): readonly (readonly string[])[] {
  const needed = new Set(outputs.map(({ name }) => name))
  const after: string[][] = nodes.map(() => [])
  for (let index = nodes.length - 1; index >= 0; index--) {
    for (const name of [...nodes[index]!.inputs, ...nodes[index]!.outputs]) {
      if (needed.has(name)) continue
      needed.add(name)
      after[index]!.push(name)
    }
  }
  return after
}

/** A constant by its values. Little-endian bytes, wherever they lie. */
function plain({ type, shape, bytes }: OnnxTensor): PlainTensor {
  const { buffer } = Uint8Array.from(bytes)
  return { data: type === 'int64' ? new BigInt64Array(buffer) : new Float32Array(buffer), shape }
}

const tensorOf = (tf: Tf, { data, shape }: PlainTensor): Tensor =>
  data instanceof Float32Array
    ? tf.tensor(data, [...shape], 'float32')
    : tf.tensor(Int32Array.from(data, Number), [...shape], 'int32')
