import {
  elements,
  type GraphWriter,
  int,
  intAttribute,
  onlyAttributes,
  require,
  reshape,
  sameShape,
  type Value,
} from '../operator.ts'
import { arithmeticOf, type Composition, textOf } from './composition.ts'

/** Whole numbers up to here are exact in float32, in which places are computed. */
const maxRows = 2 ** 24

/** A tensor seen as rows, and which of them are meant. */
interface Places {
  readonly rows: number
  /** What lies in a row. */
  readonly inner: readonly number[]
  /** int64 [count] */
  readonly places: Value
  /** The indices' own axes, without the last. */
  readonly shape: readonly number[]
}

/**
 * Indices [B…, P…, depth] name places along `depth` axes of x [B…, D…, …inner]; negative ones count from the end. The
 * first `batchAxes` axes are walked side by side.
 */
function placesIn(graph: GraphWriter, x: Value, indices: Value, batchAxes: number): Places {
  const depth = indices.shape.at(-1)
  require(indices.type === 'int64' && depth !== undefined, 'int64 indices of at least one axis are needed')
  const [batch, shape] = [x.shape.slice(0, batchAxes), indices.shape.slice(0, -1)]
  require(batchAxes >= 0 &&
    batchAxes <= shape.length &&
    sameShape(batch, shape.slice(0, batchAxes)), `indices [${indices.shape}] do not walk along [${x.shape}]`)
  const sizes = x.shape.slice(batchAxes, batchAxes + depth)
  require(sizes.length === depth, `${depth} indices for each place of [${x.shape}]`)
  const [each, rows] = [elements(sizes), elements([...batch, ...sizes])]
  require(rows <= maxRows, `it has ${rows} places, at most ${maxRows} can be told apart`)
  const { add, multiply, where } = arithmeticOf(graph)
  const given = graph.node('Cast', [indices], { to: int(1) })
  const wrapped = add(given, graph.floats(sizes, [depth]))
  const counted = where(graph.node('Less', [given, graph.scalar(0)]), wrapped, given)
  const strides = sizes.map((_, axis) => elements(sizes.slice(axis + 1)))
  const parts = multiply(counted, graph.floats(strides, [depth]))
  const own = graph.node('ReduceSum', [parts, graph.ints([-1])], { keepdims: int(0) })
  const lead = [...batch, ...shape.slice(batchAxes).map(() => 1)]
  const starts = Array.from({ length: elements(batch) }, (_, at) => at * each)
  const linear = batchAxes === 0 ? own : add(own, graph.floats(starts, lead))
  const places = reshape(graph, graph.node('Cast', [linear], { to: int(7) }), [elements(shape)])
  return { rows, inner: x.shape.slice(batchAxes + depth), places, shape }
}

const asRows = (graph: GraphWriter, x: Value, rows: number, inner: readonly number[]): Value =>
  reshape(graph, x, [rows, elements(inner)])

/** What lies at places that several axes' indices name together. */
export const gatherNd: Composition = ({ graph, inputs, attributes }) => {
  onlyAttributes(attributes, 'batch_dims')
  const [x, indices] = inputs
  require(x && indices && inputs.length === 2, 'two inputs are needed')
  const batchAxes = attributes.get('batch_dims')
  const numbers = new Map(
    batchAxes === undefined || batchAxes.kind === 'string' ? [] : [['batch_dims', batchAxes]],
  )
  const { rows, inner, places, shape } = placesIn(graph, x, indices, intAttribute(numbers, 'batch_dims', 0))
  const taken = graph.node('Gather', [asRows(graph, x, rows, inner), places])
  return [reshape(graph, taken, [...shape, ...inner])]
}

/**
 * A copy of the data in which some places are replaced (`reduction` none), or added to (`add`). Places that are replaced
 * must differ: ONNX leaves open which of two wins. A product with one-hot rows, as the gradients of the others are.
 */
export const scatterNd: Composition = (node) => {
  const { graph, inputs, attributes } = node
  onlyAttributes(attributes, 'reduction')
  const [data, indices, updates] = inputs
  require(data && indices && updates && inputs.length === 3, 'three inputs are needed')
  require(data.type === 'float32' && updates.type === 'float32', 'float32 data and updates are needed')
  const reduction = textOf(node, 'reduction', 'none')
  require(reduction === 'none' || reduction === 'add', `reduction is ${reduction}`)
  const { rows, inner, places, shape } = placesIn(graph, data, indices, 0)
  require(sameShape(updates.shape, [...shape, ...inner]), `updates [${updates.shape}] of [${data.shape}]`)
  const hot = graph.node('OneHot', [places, graph.ints([rows]), graph.floats([0, 1], [2])])
  const given = asRows(graph, updates, elements(shape), inner)
  const spread = graph.node('Gemm', [hot, given], { transA: int(1) })
  const { add, greater, where } = arithmeticOf(graph)
  const before = asRows(graph, data, rows, inner)
  if (reduction === 'add') return [reshape(graph, add(before, spread), data.shape)]
  const hits = graph.node('ReduceSum', [hot, graph.ints([0])], { keepdims: int(0) })
  const replaced = greater(reshape(graph, hits, [rows, 1]), 0)
  return [reshape(graph, where(replaced, spread, before), data.shape)]
}
