import type { AveragingSection } from '../protocol/run-spec.ts'
import { compressorOf } from './compressor-of.ts'
import { maxChunkSize } from './contribution-format.ts'
import { fragmentOf } from './fragments.ts'
import { outerOf } from './outer/outer-of.ts'
import { ruleOf } from './rules/rule-of.ts'

/** Of a model, in parameters. */
export interface ModelSize {
  /** Those that rounds move. */
  readonly parameterCount: number
  /** Those that replicas carry along, with a value in each of their vectors; absent: none. */
  readonly frozenCount?: number | undefined
}

/** What the arithmetic of one round takes of every node that folds it. */
export interface RoundCost {
  /** Of one processor core, which hears nothing meanwhile. */
  readonly seconds: number
  /** The contributions, what they decode to, and the vectors that the outer step works in; at the same time. */
  readonly bytes: number
}

/** Nanoseconds, measured with the kernels by `node bench/aggregation-rules.ts`, which also says how far this is off. */
const ns = {
  /** A value of an update, decoded: of a sparse one, those that it names. */
  decode: { 'sparse-loco': 20, f32: 9, bf16: 8, f16: 30, int8: 1.5, int4: 2, sign: 0.5, demo: 36 },
  /** A value in an inner product or a norm. */
  product: { dense: 3.5, sparse: 6 },
  /** A value of an update times its weight, added. */
  add: { dense: 1.2, sparse: 8 },
  /** A sign in an inner product of two updates of signs; one decoded, times its weight, added; and a block of them in each. */
  signs: { product: 0.013, add: 0.8, blockInProduct: 12, blockInSum: 40 },
  /** A value times its weight, added without a kernel. */
  addPlainly: 4,
  /** A pair of sparse updates at 4,096 parameters, whatever they name there. */
  spanOfPair: 30,
  /** A parameter of a vector that is filled, squared or stepped. */
  pass: 2,
  /** A comparator of the sorting network for one parameter, and a value brought to it. */
  compare: 0.35,
  spread: 1,
} as const

/** Passes of the geometric median over all updates. */
const medianIterations = 8

/**
 * The cost of a round with `members` contributions to a model: decoding, the rule, the outer step. Of
 * fragments that are averaged in turn the first is the largest.
 */
export function roundCost(
  averaging: AveragingSection,
  members: number,
  { parameterCount, frozenCount = 0 }: ModelSize,
): RoundCost {
  const carried = parameterCount + frozenCount
  const length = fragmentOf(0, averaging.fragments, parameterCount).length
  const kind = averaging.compressor === 'sparse-loco' ? 'sparse' : 'dense'
  const values = kind === 'dense' ? length : Math.ceil((length / maxChunkSize) * averaging.topK)
  const all = members * values
  const vectors = outerOf(averaging, 1).vectors + ruleOf(averaging).vectors
  const nanoseconds =
    all * ns.decode[averaging.compressor] +
    ruleNs(averaging, kind, members, values, length) +
    ns.pass * (carried * (1 + vectors) + 2 * length)
  const contribution = compressorOf(averaging).maxBytes(length)
  const decoded = staysCoded(averaging) ? 0 : values * (kind === 'dense' ? 4 : 8)
  return {
    seconds: nanoseconds / 1e9,
    bytes: members * (contribution + decoded) + 4 * (carried * (1 + vectors) + 2 * length),
  }
}

/** The mean and the geometric median of signs take them as they were sent. */
const staysCoded = ({ compressor, rule }: AveragingSection): boolean =>
  compressor === 'sign' && (rule === 'mean' || rule === 'geometric-median')

function ruleNs(
  averaging: AveragingSection,
  kind: 'dense' | 'sparse',
  members: number,
  values: number,
  length: number,
): number {
  const { rule } = averaging
  const all = members * values
  if (staysCoded(averaging)) {
    const { product, add, blockInProduct, blockInSum } = ns.signs
    const perSign = product + blockInProduct / averaging.blockSize
    const products = rule === 'mean' ? 0 : (members / 2) * all * perSign
    return products + all * (add + blockInSum / averaging.blockSize)
  }
  const [product, add] = [ns.product[kind], ns.add[kind]]
  switch (rule) {
    case 'mean':
      return all * add
    case 'trimmed-mean':
    case 'median':
      return length * (comparators(members) * ns.compare + members * ns.spread)
    case 'krum':
    case 'multi-krum':
      return ((members - 1) / 2) * all * product + all * (product + add) + members * length * spreadOf(kind)
    case 'geometric-median':
      return kind === 'sparse'
        ? ((members + 1) / 2) * (all * product + members * (length / maxChunkSize) * ns.spanOfPair) +
            all * add +
            length * ns.pass
        : all * product + medianIterations * (all * (product + add) + length * ns.pass)
    case 'centered-clipping':
      return all * (2 * product + ns.addPlainly) + 2 * length * ns.pass
    default:
      return rule satisfies never
  }
}

/** Krum writes each sparse update out as a vector. */
const spreadOf = (kind: 'dense' | 'sparse'): number => (kind === 'dense' ? 0 : ns.pass)

/** About as many as Batcher's network of merge exchange has (Knuth, The Art of Computer Programming 3, 5.2.2). */
function comparators(count: number): number {
  const depth = Math.ceil(Math.log2(Math.max(2, count)))
  return (count * depth * (depth + 1)) / 4
}
