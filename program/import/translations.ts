import { compositions } from '../operators/compositions/table.ts'
import { operators } from '../operators/table.ts'
import { folds } from './fold.ts'
import { type Translation, tensorsOf, writtenAttributes } from './translate.ts'
import {
  cast,
  castLike,
  clip,
  cumulativeSum,
  pad,
  power,
  reduction,
  reductionOf,
} from './translate-arithmetic.ts'
import {
  concatFromSequence,
  constant,
  constantOfShape,
  gather,
  identity,
  reshape,
  sequenceAt,
  shape,
  size,
  split,
  splitToSequence,
  trilu,
} from './translate-indexing.ts'
import { batchNormalization, dropout, layerNormalization } from './translate-layers.ts'
import { gatherNd, oneHot, scatterElements, scatterNd, topK } from './translate-places.ts'
import { gru, lstm, rnn } from './translate-recurrent.ts'
import { resize } from './translate-resize.ts'

/** Operators whose form in a file differs from the one in programs. */
const special: ReadonlyMap<string, Translation> = new Map<string, Translation>([
  ['BatchNormalization', batchNormalization],
  ['Cast', cast],
  ['CastLike', castLike],
  ['Clip', clip],
  ['ConcatFromSequence', concatFromSequence],
  ['Constant', constant],
  ['ConstantOfShape', constantOfShape],
  ['CumSum', cumulativeSum],
  ['Dropout', dropout],
  ['Gather', gather],
  ['GatherND', gatherNd],
  ['GRU', gru],
  ['Identity', identity],
  ['LayerNormalization', layerNormalization],
  ['LSTM', lstm],
  ['OneHot', oneHot],
  ['Pad', pad],
  ['Pow', power],
  [
    'ReduceL1',
    reductionOf(
      ({ writer }, x) => writer.node('Abs', [x]),
      (_, sum) => sum,
    ),
  ],
  [
    'ReduceL2',
    reductionOf(
      ({ writer }, x) => writer.node('Mul', [x, x]),
      ({ writer }, sum) => writer.node('Sqrt', [sum]),
    ),
  ],
  ['ReduceLogSumExp', reduction],
  ['ReduceMax', reduction],
  ['ReduceMean', reduction],
  ['ReduceMin', reduction],
  ['ReduceProd', reduction],
  ['ReduceSum', reduction],
  [
    'ReduceSumSquare',
    reductionOf(
      ({ writer }, x) => writer.node('Mul', [x, x]),
      (_, sum) => sum,
    ),
  ],
  ['Reshape', reshape],
  ['Resize', resize],
  ['RNN', rnn],
  ['ScatterElements', scatterElements],
  ['ScatterND', scatterNd],
  ['SequenceAt', sequenceAt],
  ['Shape', shape],
  ['Size', size],
  ['Split', split],
  ['SplitToSequence', splitToSequence],
  ['TopK', topK],
  ['Trilu', trilu],
])

/** As it is. What is known only of constants is refused by the program's graph when it is computed. */
const plain: Translation = (node) =>
  node.writer.nodes(node.opType, tensorsOf(node), node.outputCount, writtenAttributes(node))

/** How a node with this operator is written; undefined where nothing here knows it. */
export function translationOf(opType: string): Translation | undefined {
  const known = operators.has(opType) || compositions.has(opType) || folds.has(opType)
  return special.get(opType) ?? (known ? plain : undefined)
}

/** Results that do not change with what is trained, or only in steps: no gradient leads back through them. */
export const withoutGradient: ReadonlySet<string> = new Set([
  ...['And', 'ArgMax', 'Ceil', 'Equal', 'Floor', 'Greater', 'GreaterOrEqual', 'IsNaN', 'Less', 'LessOrEqual'],
  ...['Not', 'OneHot', 'Or', 'Round', 'Shape', 'Sign', 'Size', 'Xor', 'ConstantOfShape', 'Range'],
])
