import type { OnnxNode } from '../onnx/model-proto.ts'
import { elements, intAttribute, type Value } from '../operators/operator.ts'

/**
 * Terms of the sum that each value of a product is; of a transposed convolution, at most. Undefined of any other operator,
 * and of a matrix times a vector: so are means and sums written, as those of norms, and no engine takes them faster in halves.
 */
export function innerLength(
  { opType, attributes }: Pick<OnnxNode, 'opType' | 'attributes'>,
  [a, b]: readonly Pick<Value, 'shape'>[],
): number | undefined {
  switch (opType) {
    case 'MatMul': {
      const columns = b!.shape.length > 1 ? b!.shape.at(-1)! : 1
      return a!.shape.length > 1 && a!.shape.at(-2)! > 1 && columns > 1 ? a!.shape.at(-1) : undefined
    }
    case 'Gemm': {
      const [rows, terms] = turned(a!.shape, intAttribute(attributes, 'transA', 0) !== 0)
      const [, columns] = turned(b!.shape, intAttribute(attributes, 'transB', 0) !== 0)
      return rows! > 1 && columns! > 1 ? terms : undefined
    }
    case 'Conv':
      return elements(b!.shape.slice(1))
    case 'ConvTranspose':
      return (b!.shape[0]! / intAttribute(attributes, 'group', 1)) * elements(b!.shape.slice(2))
    default:
      return undefined
  }
}

const turned = (shape: readonly number[], transposed: boolean): readonly number[] =>
  transposed ? shape.toReversed() : shape
