import { invalidModel } from '../invalid-model.ts'
import { elements } from '../operators/operator.ts'
import { adapterNames } from './adapter-names.ts'

/** One tensor's place in the flat vector. */
interface Place {
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
}

interface Merged {
  readonly theta: Float32Array<ArrayBuffer>
  /** The model's own parameters, in the order that they have in the adapted run's table. */
  readonly table: readonly Place[]
}

/**
 * The weights of an adapted run as those of the model that it adapted: W + α/r · A·B under W's name, without the factors.
 * Sums in double precision, in the order of the rank, rounded once: a pure function of its arguments.
 * @throws MurmurError MODEL_INVALID: factors of another rank.
 * @param theta in the order of `table`, which need not be a whole parameter table: names, shapes and places
 */
export function mergedWeights(
  theta: Float32Array,
  table: readonly Place[],
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
): Merged {
  const byName = new Map(table.map((place) => [place.name, place]))
  const factorsOf = ({ name, shape }: Place): readonly [left: Place, right: Place] | null => {
    if (shape.length !== 2) return null
    for (const transposed of [false, true]) {
      const { a, b } = adapterNames(name, transposed)
      const [left, right] = [byName.get(transposed ? b : a), byName.get(transposed ? a : b)]
      if (left === undefined || right === undefined) continue
      // The rank is a run's word, the shapes are the file's.
      if (`${left.shape}` !== `${[shape[0], rank]}` || `${right.shape}` !== `${[rank, shape[1]]}`)
        throw invalidModel(
          `the factors of ${name} are [${left.shape}] and [${right.shape}], not of rank ${rank}`,
        )
      return [left, right]
    }
    return null
  }
  const pairs = new Map(table.map((place) => [place.name, factorsOf(place)]))
  const factors = new Set([...pairs.values()].flatMap((pair) => pair?.map(({ name }) => name) ?? []))
  const own = table.filter(({ name }) => !factors.has(name))
  const merged = new Float32Array(own.reduce((sum, { shape }) => sum + elements(shape), 0))
  let offset = 0
  const places = own.map(({ name, shape, offset: from }) => {
    const size = elements(shape)
    const target = merged.subarray(offset, offset + size)
    target.set(theta.subarray(from, from + size))
    const pair = pairs.get(name)
    if (pair != null) addProduct(target, theta, pair, { rank, scale: alpha / rank, columns: shape[1]! })
    const place = { name, shape, offset }
    offset += size
    return place
  })
  return { theta: merged, table: places }
}

function addProduct(
  target: Float32Array,
  theta: Float32Array,
  [left, right]: readonly [Place, Place],
  { rank, scale, columns }: { readonly rank: number; readonly scale: number; readonly columns: number },
): void {
  const sums = new Float64Array(columns)
  for (let row = 0; row * columns < target.length; row++) {
    sums.fill(0)
    for (let inner = 0; inner < rank; inner++) {
      const factor = theta[left.offset + row * rank + inner]!
      const from = right.offset + inner * columns
      for (let column = 0; column < columns; column++) sums[column]! += factor * theta[from + column]!
    }
    for (let column = 0; column < columns; column++)
      target[row * columns + column] = target[row * columns + column]! + scale * sums[column]!
  }
}
