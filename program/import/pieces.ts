import { int } from '../operators/operator.ts'
import type { OperandWriter, Tensor } from './operand.ts'

/** As many pieces are cut or joined in one node: a graphics card binds eight buffers to it. */
const fan = 7

/** The slices of the first axis, in trees of small nodes; each without that axis. */
export function separated(writer: OperandWriter, x: Tensor): readonly Tensor[] {
  const [length, ...inner] = x.shape
  if (length === 1) return [writer.node('Reshape', [x, writer.ints(inner)])]
  const size = Math.ceil(length! / Math.min(fan, length!))
  const sizes: number[] = []
  for (let at = 0; at < length!; at += size) sizes.push(Math.min(size, length! - at))
  const parts = writer.nodes('Split', [x, writer.ints(sizes)], sizes.length, { axis: int(0) })
  return parts.flatMap((part) => separated(writer, part))
}

/** Tensors one after the other along the first axis, each seen in this shape. */
export function concatenated(
  writer: OperandWriter,
  parts: readonly Tensor[],
  shape: readonly number[],
): Tensor {
  let level = parts.map((part) => writer.node('Reshape', [part, writer.ints(shape)]))
  while (level.length > 1) {
    const next: Tensor[] = []
    for (let at = 0; at < level.length; at += fan) {
      const group = level.slice(at, at + fan)
      next.push(group.length === 1 ? group[0]! : writer.node('Concat', group, { axis: int(0) }))
    }
    level = next
  }
  return level[0]!
}
