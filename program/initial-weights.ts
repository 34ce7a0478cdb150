import { drawsAt } from '../protocol/random.ts'
import { elements } from './operators/operator.ts'
import type { Parameter, ParameterTable } from './parameter-table.ts'

/**
 * The flat vector that a run starts from: a pure function of (table, seed), equal to the bit on every host.
 * Normal values are sums of twelve 16-bit uniforms (Irwin–Hall, variance 1, cut at ±6): exact integer arithmetic,
 * where the logarithm and cosine of Box–Muller differ between maths libraries.
 * @param wanted parameters that are drawn; zeros elsewhere
 */
export function initialWeights(
  table: Pick<ParameterTable, 'parameters' | 'count'>,
  seed: number,
  wanted: (parameter: Parameter) => boolean = () => true,
): Float32Array {
  const flat = new Float32Array(table.count)
  table.parameters.forEach((parameter, index) => {
    if (!wanted(parameter)) return
    fill(
      flat.subarray(parameter.offset, parameter.offset + elements(parameter.shape)),
      parameter,
      seed,
      index,
    )
  })
  return flat
}

function fill(target: Float32Array, { init }: Parameter, seed: number, index: number): void {
  switch (init.kind) {
    case 'zeros':
      return
    case 'ones':
      target.fill(1)
      return
    case 'normal': {
      const draw = drawsAt(seed, 'initialWeights', [index, 0])
      for (let at = 0; at < target.length; at++) {
        let sum = 6 - 6 * 65536
        for (let pair = 0; pair < 6; pair++) {
          const bits = draw()
          sum += (bits & 0xffff) + (bits >>> 16)
        }
        target[at] = (sum / 65536) * init.std
      }
      return
    }
    default:
      init satisfies never
  }
}
