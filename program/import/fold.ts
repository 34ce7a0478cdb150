import type { Attributes } from '../operators/operator.ts'
import { elementwiseFolds } from './fold-elementwise.ts'
import { layoutFolds } from './fold-layout.ts'
import { reductionFolds } from './fold-reductions.ts'
import type { HostTensor } from './host-tensor.ts'

export interface Folding {
  readonly inputs: readonly HostTensor[]
  readonly attributes: Attributes
  readonly outputCount: number
}

/** One operator on known values: exporters write shapes, positions and masks as arithmetic on constants. */
export type Fold = (node: Folding) => readonly HostTensor[]

export const folds: ReadonlyMap<string, Fold> = new Map([
  ...elementwiseFolds,
  ...layoutFolds,
  ...reductionFolds,
])
