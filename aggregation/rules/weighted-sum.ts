import type { WeightedTerm } from '../kernels/kernels.ts'
import { kernelsFor } from '../kernels/kernels.ts'
import { addScaled } from '../update.ts'

/** into ← Σ weight · update in the order given, each product and each sum rounded to f32. Weights are f32. */
export function weightedSum(into: Float32Array, terms: readonly WeightedTerm[]): void {
  const kernels = kernelsFor(into.length)
  if (kernels !== null) {
    kernels.weightedSum(into, terms)
    return
  }
  into.fill(0)
  for (const { update, weight } of terms) addScaled(into, update, weight)
}
