import type { Graph } from '../graph.ts'
import { int, type Value } from '../operators/operator.ts'

/** θ of Su et al., arXiv 2104.09864, §3.3, and of the models that `transformers` loads. */
export const rotaryBase = 10_000

/** Cosine and sine, [T, D/2] each, of T tokens. */
export interface RotaryPlaces {
  readonly cosine: Value
  readonly sine: Value
}

/** Those of the first T places of a window. */
export function firstPlaces(graph: Graph, T: number, D: number): RotaryPlaces {
  const { cosines, sines } = rotaryTables(T, D)
  const [cosine, sine] = [cosines, sines].map((table) => graph.floats(table, [T, D / 2])) as [Value, Value]
  return { cosine, sine }
}

/**
 * Turns pairs of values by angles that grow with the place: value i of a head with value i + D/2 by
 * t · 10000^(−2i/D), as LLaMA's weights have them (the paper pairs neighbours).
 * @param x [B, H, T, D] of any B and H
 * @param places of these tokens, for x of any [.., D]; null where they are the first T of a window
 */
export function rotated(graph: Graph, x: Value, places: RotaryPlaces | null = null): Value {
  const [T, D] = x.shape.slice(-2) as [number, number]
  const op = (opType: string, ...inputs: Value[]) => graph.node(opType, inputs)
  const { cosine, sine } = places ?? firstPlaces(graph, T, D)
  const [first, second] = graph.nodes('Split', [x, graph.ints([D / 2, D / 2])], 2, { axis: int(-1) }) as [
    Value,
    Value,
  ]
  const turned = [
    op('Sub', op('Mul', first, cosine), op('Mul', second, sine)),
    op('Add', op('Mul', second, cosine), op('Mul', first, sine)),
  ]
  return graph.node('Concat', turned, { axis: int(-1) })
}

/**
 * [T, D/2] each. Frequencies and angles are rounded to float32 on the way, as in `transformers`; sine and cosine are
 * polynomials in plain arithmetic, so that equal specs give equal bytes on every host, where Math.cos may not.
 */
export function rotaryTables(T: number, D: number) {
  const half = D / 2
  const ratio = 1 / rootOf(rotaryBase, half)
  const cosines = new Float32Array(T * half)
  const sines = new Float32Array(T * half)
  for (let pair = 0, frequency = 1; pair < half; pair++, frequency *= ratio) {
    for (let place = 0; place < T; place++) {
      const angle = Math.fround(place * Math.fround(frequency))
      const [cosine, sine] = cosineAndSine(angle)
      cosines[place * half + pair] = cosine
      sines[place * half + pair] = sine
    }
  }
  return { cosines, sines }
}

/** x^(1/n) for x ≥ 1 by bisection: exact to a double's last bits, and the same on every host. */
function rootOf(x: number, n: number): number {
  let [low, high] = [1, x]
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2
    if (power(middle, n) < x) low = middle
    else high = middle
  }
  return high
}

function power(x: number, n: number): number {
  let product = 1
  for (let factor = 0; factor < n && product < Number.MAX_VALUE; factor++) product *= x
  return product
}

/** Taylor's series on [−π/4, π/4], where ten terms are below a double's last bit; the quadrants by symmetry. */
function cosineAndSine(angle: number): readonly [cosine: number, sine: number] {
  const quadrant = Math.round(angle / (Math.PI / 2))
  const rest = angle - quadrant * (Math.PI / 2)
  const [cosine, sine] = [series(rest, 0), series(rest, 1)]
  switch (quadrant % 4) {
    case 0:
      return [cosine, sine]
    case 1:
      return [-sine, cosine]
    case 2:
      return [-cosine, -sine]
    default:
      return [sine, -cosine]
  }
}

/** x^first/first! − x^(first+2)/(first+2)! + … */
function series(x: number, first: 0 | 1): number {
  let term = first === 0 ? 1 : x
  let sum = term
  for (let n = first + 2; n < 22; n += 2) {
    term *= -(x * x) / (n * (n - 1))
    sum += term
  }
  return sum
}
