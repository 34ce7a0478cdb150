import { elements, int, ints } from '../operators/operator.ts'
import { asTensor, type OperandWriter, type Tensor } from './operand.ts'
import { floatOf, type Translation, tensorsOf, writtenAttributes } from './translate.ts'

/** Its second and third outputs, mean and deviation, are what its gradient needs. */
export const layerNormalization: Translation = (node) =>
  node.writer
    .nodes('LayerNormalization', tensorsOf(node), 3, writtenAttributes(node))
    .slice(0, node.outputCount)

/** Left out, as evaluation does: which elements a step drops would have to be fed to it. */
export const dropout: Translation = ({ inputs, outputCount }) => {
  if (outputCount !== 1) throw new Error('its mask is used')
  return [asTensor(inputs[0])]
}

/**
 * Ioffe & Szegedy, arXiv 1502.03167. Training normalizes by the batch, whatever mode the file was exported in, and
 * updates the running statistics as PyTorch does: momentum · old + (1 − momentum) · batch with the unbiased variance.
 * Everything else normalizes by the running statistics. Their variance is cut at 0: a compressed update may take more
 * off it than there is.
 */
export const batchNormalization: Translation = (node) => {
  const { writer } = node
  const [x, scale, bias, runningMean, runningVariance] = tensorsOf(node)
  if (!x || !scale || !bias || !runningMean || !runningVariance) throw new Error('five inputs are needed')
  if (node.outputCount > 1) throw new Error('its statistics are used')
  const rank = x.shape.length
  const channels = x.shape[1]
  if (
    rank < 2 ||
    [scale, bias, runningMean, runningVariance].some(({ shape }) => shape.join() !== `${channels}`)
  )
    throw new Error('one value a channel is needed')
  const { add, subtract, multiply, divide, mean, channel } = arithmetic(writer, rank)
  const epsilon = writer.scalar(floatOf(node, 'epsilon', 1e-5))
  const normalized = (offset: Tensor, variance: Tensor) => {
    const deviation = writer.node('Sqrt', [add(variance, epsilon)])
    return add(multiply(divide(offset, deviation), channel(scale)), channel(bias))
  }
  if (!node.training) {
    const variance = writer.node('Max', [runningVariance, writer.scalar(0)])
    return [normalized(subtract(x, channel(runningMean)), channel(variance))]
  }
  const count = elements(x.shape) / channels!
  if (count === 1) throw new Error('a batch of one value a channel has no variance')
  const center = mean(x)
  const offset = subtract(x, center)
  const variance = mean(multiply(offset, offset))
  const momentum = floatOf(node, 'momentum', 0.9)
  const next = (old: Tensor, batch: Tensor, share: number) => {
    const flat = writer.node('Reshape', [batch, writer.ints([channels!])])
    return add(multiply(old, writer.scalar(momentum)), multiply(flat, writer.scalar(share)))
  }
  node.updates(runningMean, next(runningMean, center, 1 - momentum))
  node.updates(runningVariance, next(runningVariance, variance, ((1 - momentum) * count) / (count - 1)))
  return [normalized(offset, variance)]
}

function arithmetic(writer: OperandWriter, rank: number) {
  const binary = (opType: string) => (a: Tensor, b: Tensor) => writer.node(opType, [a, b])
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1)
  return {
    add: binary('Add'),
    subtract: binary('Sub'),
    multiply: binary('Mul'),
    divide: binary('Div'),
    mean: (x: Tensor) => writer.node('ReduceMean', [x], { axes: ints(axes), keepdims: int(1) }),
    /** A value a channel, shaped to broadcast over [N, C, …]. */
    channel: (x: Tensor) =>
      writer.node('Reshape', [
        x,
        writer.ints([elements(x.shape), ...Array.from({ length: rank - 2 }, () => 1)]),
      ]),
  }
}
