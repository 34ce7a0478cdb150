import { expect, test } from 'vitest'
import { gradients } from '../../../program/gradients.ts'
import { createGraph } from '../../../program/graph.ts'
import { encodeModel } from '../../../program/onnx/model-proto.ts'
import { arithmeticCases } from '../../../program/operators/cases/arithmetic.ts'
import { convolutionCases } from '../../../program/operators/cases/convolution.ts'
import type { Sampler } from '../../../program/operators/cases/gradient-case.ts'
import { layoutCases } from '../../../program/operators/cases/layout.ts'
import { normalizationCases } from '../../../program/operators/cases/normalization.ts'
import { pointwiseCases } from '../../../program/operators/cases/pointwise.ts'
import { productCases } from '../../../program/operators/cases/products.ts'
import { reductionCases } from '../../../program/operators/cases/reductions.ts'
import { elements } from '../../../program/operators/operator.ts'
import { drawsAt } from '../../../protocol/random.ts'
import { ortLoader } from '../ort-loader.ts'
import { ortNode } from '../ort-node.ts'
import type { ProgramLoader } from '../runner.ts'
import { openBackend } from './backend.ts'
import { interpret } from './interpret.ts'

const cases = {
  ...arithmeticCases,
  ...convolutionCases,
  ...layoutCases,
  ...normalizationCases,
  ...pointwiseCases,
  ...productCases,
  ...reductionCases,
}
const tf = await openBackend()
const [reference, tested] = [ortLoader(ortNode, 'cpu', 1), interpret(tf)]

function samplerOf(draw: () => number): Sampler {
  const int = (low: number, high: number) => low + (draw() % (high - low + 1))
  return {
    int,
    pick: (choices) => choices[int(0, choices.length - 1)]!,
    shape: (least, most) => Array.from({ length: int(least, most) }, () => int(1, 4)),
  }
}

test.each(Object.entries(cases))('%s and its gradient agree with onnxruntime', async (_, gradientCase) => {
  for (let seed = 0; seed < 3; seed++) {
    const draw = drawsAt(seed, 'simulation', [0, 0])
    const { shapes, build, range } = gradientCase(samplerOf(draw))
    const graph = createGraph()
    const inputs = shapes.map((shape, index) => graph.input(`x${index}`, 'float32', shape))
    const y = build(graph, inputs)
    const loss = graph.node('ReduceSum', [graph.node('Mul', [y, y])], { keepdims: { kind: 'int', value: 0 } })
    const outputs = [y, ...gradients(graph, loss, inputs)]
    outputs.forEach((value, index) => {
      graph.output(`y${index}`, value)
    })
    const bytes = encodeModel(graph.model(new Map()))
    const [low, high] = range === undefined || range === 'distinct' ? [-1, 1] : range
    const feeds = Object.fromEntries(
      shapes.map((shape, index) => {
        const value = () => low + (draw() / 2 ** 32) * (high - low)
        return [`x${index}`, { data: Float32Array.from({ length: elements(shape) }, value), shape }]
      }),
    )
    const run = async (load: ProgramLoader) => {
      const results = outputs.map(({ shape }) => ({ data: new Float32Array(elements(shape)), shape }))
      const loaded = await load(bytes, {} as never)
      await loaded.run(feeds, Object.fromEntries(results.map((result, index) => [`y${index}`, result])))
      await loaded.release()
      return results.map(({ data }) => data)
    }
    const wanted = await run(reference)
    const made = await run(tested).catch((error: Error) => {
      // Its limits are refused in words, never computed wrongly.
      expect(error.message).toMatch(/tfjs has no/)
      return null
    })
    made?.forEach((data, output) => {
      data.forEach((value, index) => {
        const expected = wanted[output]![index]!
        expect(Math.abs(value - expected), `output ${output}`).toBeLessThan(1e-4 * (1 + Math.abs(expected)))
      })
    })
  }
})
