import { constantValue } from '../check-program.ts'
import { inferNode } from '../graph.ts'
import type { OnnxModel, OnnxNode } from '../onnx/model-proto.ts'
import { floatAttribute, int, type Value } from '../operators/operator.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'
import { innerLength } from './inner-length.ts'
import { passedOn } from './passed-on.ts'

/**
 * Sums of more terms are not taken in float16: engines may add up in it (onnxruntime's WebGPU shaders do), each time to 11
 * bits. Of n terms of either sign the sum is then off by about √(n/6) · 2⁻¹² of its size, here 0.6 %.
 */
export const longestSum = 4096

/**
 * Mixed precision as Micikevicius et al. have it (arXiv 1710.03740, section 3.1): products of the forward and the backward
 * pass take operands that are cast to float16 and give float16, which is cast back. All else stays float32: parameters,
 * optimizer, norms, softmax, loss, gradients of parameters (passed-on.ts), what a Gemm adds to its product (the residual
 * stream), and sums longer than {@link longestSum}. The bias of a convolution goes in as float16. A value that several
 * products read is cast once. Pure; equal models give equal models.
 * @param model of a training program
 */
export function halfProducts(model: OnnxModel): OnnxModel {
  const taken = passedOn(model)
  const values = new Map<string, Value>(model.inputs.map((input) => [input.name, input]))
  for (const constant of model.initializers) values.set(constant.name, constantValue(constant))
  const nodes: OnnxNode[] = []
  /** Name of a float32 value → of the same in float16. */
  const halves = new Map<string, string>()
  const halfOf = (name: string): string => {
    const known = halves.get(name)
    if (known !== undefined) return known
    const half = `${name}_half`
    nodes.push(castNode(name, half, halfCode))
    halves.set(name, half)
    return half
  }
  for (const node of model.nodes) {
    const inputs = node.inputs.map((name) => values.get(name)!)
    const { name, opType, attributes, outputs } = node
    inferNode(name, opType, inputs, attributes, outputs.length).forEach((shape, index) => {
      values.set(outputs[index]!, { ...shape, name: outputs[index]! })
    })
    const terms = innerLength(node, inputs)
    if (terms === undefined || terms > longestSum || !taken.has(node) || addsScaled(node)) {
      nodes.push(node)
      continue
    }
    const output = outputs[0]!
    const added = opType === 'Gemm' ? node.inputs[2] : undefined
    const operands = added === undefined ? node.inputs : node.inputs.slice(0, 2)
    const product = { ...node, inputs: operands.map(halfOf), outputs: [`${output}_half`] }
    if (added === undefined) {
      nodes.push(product, castNode(`${output}_half`, output, floatCode))
      halves.set(output, `${output}_half`)
      continue
    }
    const [half, plain] = [`${output}_product_half`, `${output}_product`]
    nodes.push({ ...product, outputs: [half], attributes: withoutBeta(attributes) })
    nodes.push(castNode(half, plain, floatCode))
    nodes.push(nodeOf('Add', [plain, added], output))
  }
  return withUsedNodes({ ...model, nodes })
}

/** Codes of ONNX's TensorProto.DataType. */
const [floatCode, halfCode] = [1, 10]

const nodeOf = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode['attributes'] = new Map(),
): OnnxNode => ({ name: `${opType}_${output}`, opType, inputs, outputs: [output], attributes })

const castNode = (from: string, to: string, code: number): OnnxNode =>
  nodeOf('Cast', [from], to, new Map([['to', int(code)]]))

/** A Gemm that scales what it adds: no model of ours has one, and it stays as it is. */
const addsScaled = ({ opType, inputs, attributes }: OnnxNode): boolean =>
  opType === 'Gemm' && inputs.length === 3 && floatAttribute(attributes, 'beta', 1) !== 1

const withoutBeta = (attributes: OnnxNode['attributes']): OnnxNode['attributes'] =>
  new Map([...attributes].filter(([name]) => name !== 'beta'))
