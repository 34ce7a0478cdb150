import type { Measurement } from '../../protocol/report.ts'
import type { Batch, EvaluationSession } from '../engine/engine.ts'

export interface Measured extends Measurement {
  /** Batches that it is the mean of. */
  readonly batches: number
}

/** The means over batches of equal size. An accuracy is that of whole rows, whatever an engine's division rounds it to. */
export async function measure(
  session: EvaluationSession,
  theta: Float32Array,
  batches: Iterable<Batch>,
  signal?: AbortSignal,
): Promise<Measured> {
  const { task, targets } = session.info
  const rows = targets.shape.reduce((product, size) => product * size, 1)
  let [count, loss, right] = [0, 0, 0]
  for (const batch of batches) {
    signal?.throwIfAborted()
    const { lossNats, accuracy } = await session.evaluate(theta, batch)
    count++
    loss += lossNats
    right += Math.round((accuracy ?? 0) * rows)
  }
  const accuracy = task === 'classification' ? right / (count * rows) : null
  return { lossNats: loss / count, accuracy, batches: count }
}
