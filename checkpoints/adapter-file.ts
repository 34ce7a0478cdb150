import { floatBytes } from '../aggregation/float-bytes.ts'
import { mergedWeights } from '../program/lora/merge.ts'
import { elements } from '../program/operators/operator.ts'
import type { RunSpec } from '../protocol/run-spec.ts'
import { type ParameterPlace, writeParameterFile } from './parameter-file.ts'
import { writeSafetensors } from './safetensors.ts'

type Lora = NonNullable<RunSpec['train']['lora']>

/** The parameter file of the model that a run's low-rank factors adapt, with them merged in, and its table. */
export function mergedFile(
  theta: Float32Array,
  table: readonly ParameterPlace[],
  lora: Lora,
): { readonly file: Uint8Array; readonly table: readonly ParameterPlace[] } {
  const merged = mergedWeights(theta, table, lora)
  return { file: writeParameterFile(merged.theta, merged.table), table: merged.table }
}

/**
 * The factors alone, under the names that they have in the run's table: what is in `table` and not in `own`. The metadata
 * has `rank` and `alpha`: W + alpha / rank · A · B.
 */
export function adapterFile(
  theta: Float32Array,
  table: readonly ParameterPlace[],
  own: readonly Pick<ParameterPlace, 'name'>[],
  { rank, alpha }: Lora,
): Uint8Array {
  const names = new Set(own.map(({ name }) => name))
  const factors = table.filter(({ name }) => !names.has(name))
  return writeSafetensors({
    tensors: new Map(
      factors.map(({ name, shape, offset }) => {
        const bytes = floatBytes(theta.subarray(offset, offset + elements(shape)))
        return [name, { dtype: 'F32', shape, bytes }] as const
      }),
    ),
    metadata: new Map([
      ['format', 'pt'],
      ['rank', `${rank}`],
      ['alpha', `${alpha}`],
    ]),
  })
}
