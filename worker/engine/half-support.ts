import { setTimeout as sleep } from 'node:timers/promises'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { createGraph } from '../../program/graph.ts'
import { encodeModel } from '../../program/onnx/model-proto.ts'
import { int } from '../../program/operators/operator.ts'
import { MurmurError } from '../../protocol/errors.ts'

/** Of a program whose products are taken in float16, where there is none. */
export const lacksHalf = (why: string, cause?: unknown): MurmurError =>
  new MurmurError('ENGINE_LACKS_F16', {
    message: `this run’s products are taken in float16, and ${why}`,
    next: 'join with --engine ort-cpu, ort-wasm, ort-cuda, or ort-webgpu on a card with shader-f16; or submit the run with train.compute f32',
    exit: 'infeasible',
    cause,
  })

type Session = Pick<InferenceSession, 'run' | 'release'>

/** The smallest program with a float16: a product of a 1 × 1 matrix with itself. */
function smallest(): Uint8Array {
  const graph = createGraph()
  const half = graph.node('Cast', [graph.input('x', 'float32', [1, 1])], { to: int(10) })
  graph.output('y', graph.node('Cast', [graph.node('MatMul', [half, half])], { to: int(1) }))
  return encodeModel(graph.model(new Map()))
}

/** Long enough for a neighbour on the card to give memory back; a worker that warms up has the time. */
const secondTryMs = 500

/**
 * Takes one product in float16; if it fails, once more in a new session after a pause, since memory may be short for a moment
 * and what lacks float16 is declined for good. A card's shaders are written when they first run: one that lacks the feature would fail in
 * the middle of a round, after its worker was counted on.
 * @param one a 1 × 1 matrix
 * @throws MurmurError ENGINE_LACKS_F16; what `create` throws.
 */
export async function assertTakesHalf(
  create: (program: Uint8Array) => Promise<Session>,
  one: Tensor,
  pause: () => Promise<unknown> = () => sleep(secondTryMs),
): Promise<void> {
  const attempt = async () => {
    const session = await create(smallest())
    try {
      await session.run({ x: one })
      return null
    } catch (cause) {
      return { cause }
    } finally {
      await session.release()
    }
  }
  if ((await attempt()) === null) return
  await pause()
  const failed = await attempt()
  if (failed !== null) throw lacksHalf('this card’s driver does not offer it to shaders', failed.cause)
}
