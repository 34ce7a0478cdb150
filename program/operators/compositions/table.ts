import {
  celu,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  mish,
  parametricRelu,
  selu,
  shrink,
  softsign,
  swish,
  thresholdedRelu,
} from './activations.ts'
import type { Composition } from './composition.ts'
import { dropout } from './dropout.ts'
import { einsum } from './einsum.ts'
import { gatherNd, scatterNd } from './indexed.ts'
import { negativeLogLikelihoodLoss, softmaxCrossEntropyLoss } from './losses.ts'
import { modulo } from './modulo.ts'
import {
  batchNormalization,
  groupNormalization,
  instanceNormalization,
  rmsNormalization,
} from './normalizations.ts'
import { globalAveragePool, globalMaxPool, mean, sum } from './reductions.ts'

/** Every operator that is written as others. */
export const compositions: ReadonlyMap<string, Composition> = new Map([
  ['BatchNormalization', batchNormalization],
  ['Celu', celu],
  ['Dropout', dropout],
  ['Einsum', einsum],
  ['Elu', elu],
  ['GatherND', gatherNd],
  ['Gelu', gelu],
  ['GlobalAveragePool', globalAveragePool],
  ['GlobalMaxPool', globalMaxPool],
  ['GroupNormalization', groupNormalization],
  ['HardSigmoid', hardSigmoid],
  ['HardSwish', hardSwish],
  ['InstanceNormalization', instanceNormalization],
  ['Mean', mean],
  ['Mish', mish],
  ['Mod', modulo],
  ['NegativeLogLikelihoodLoss', negativeLogLikelihoodLoss],
  ['PRelu', parametricRelu],
  ['RMSNormalization', rmsNormalization],
  ['ScatterND', scatterNd],
  ['Selu', selu],
  ['Shrink', shrink],
  ['SoftmaxCrossEntropyLoss', softmaxCrossEntropyLoss],
  ['Softsign', softsign],
  ['Sum', sum],
  ['Swish', swish],
  ['ThresholdedRelu', thresholdedRelu],
])
