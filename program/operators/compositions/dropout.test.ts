import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { drawsAt } from '../../../protocol/random.ts'
import { createGraph } from '../../graph.ts'
import { encodeModel } from '../../onnx/model-proto.ts'
import { float, int } from '../operator.ts'
import { dropoutKey } from './dropout.ts'

const keyOf = (step: number) => dropoutKey(drawsAt(7, 'simulation', [step, 0]))

/** What is left of ones at some places of a model, for each key. */
async function masks(
  shape: readonly number[],
  ratio: number,
  places: readonly number[],
  keys: readonly Float32Array[],
) {
  const graph = createGraph()
  const key = graph.input('key', 'float32', [6])
  const ones = graph.node('Expand', [graph.scalar(1), graph.ints(shape)])
  for (const place of places)
    graph.output(`y${place}`, graph.node('Dropout', [ones, key], { ratio: float(ratio), seed: int(place) }))
  const session = await InferenceSession.create(encodeModel(graph.model(new Map())), { intraOpNumThreads: 1 })
  const made: Float32Array[] = []
  for (const words of keys) {
    const results = await session.run({ key: new Tensor('float32', words, [6]) })
    for (const place of places) made.push(results[`y${place}`]!.data as Float32Array)
  }
  await session.release()
  return made
}

test('a mask is a pure function of key and place, and every engine gives these bits', async () => {
  const [first, again] = await masks([5, 8], 0.25, [3], [keyOf(1), keyOf(1)])
  expect(again).toEqual(first)
  expect(new Set(first)).toEqual(new Set([0, Math.fround(4 / 3)]))
  const rows = Array.from({ length: 5 }, (_, row) => [...first!.subarray(row * 8, row * 8 + 8)])
  expect(rows.map((row) => row.map((value) => (value === 0 ? '0' : '1')).join(''))).toMatchInlineSnapshot(`
    [
      "10001111",
      "01111011",
      "10100111",
      "10011101",
      "11111110",
    ]
  `)
})

test('masks have the share that is asked for, and do not depend on each other', async () => {
  const count = 4096 * 24
  const ratio = 205 / 2048
  const made = await masks([24, 4096], ratio, [0, 1], [keyOf(1), keyOf(2)])
  const dropped = made.map((mask) => mask.map((value) => (value === 0 ? 1 : 0)))
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt((ratio * (1 - ratio)) / count)
  for (const mask of dropped) expect(Math.abs(mean(mask) - ratio)).toBeLessThan(4 * deviation)
  // What two independent masks drop together is ratio² of all, give or take.
  const together = (a: Float32Array, b: Float32Array) =>
    mean(a.map((value, index) => value * (b[index] ?? 0)))
  const pairs = [
    ...dropped.flatMap((a, index) => dropped.slice(index + 1).map((b) => together(a, b))),
    ...dropped.flatMap((a) =>
      [1, 2048, 4096, count / 2].map((lag) => together(a, a.slice(lag)) * (count / (count - lag))),
    ),
  ]
  for (const share of pairs)
    expect(Math.abs(share - ratio ** 2)).toBeLessThan((4.5 * ratio) / Math.sqrt(count / 2))
})

test('without a key it hands its input on, and impossible ratios are refused', () => {
  const graph = createGraph()
  const [x, key] = [graph.input('x', 'float32', [3]), graph.input('key', 'float32', [6])]
  expect(graph.node('Dropout', [x], { ratio: float(0.5) })).toBe(x)
  expect(() => graph.node('Dropout', [x, key], { ratio: float(1) })).toThrow(/ratio 1/)
  const big = graph.node('Expand', [graph.scalar(1), graph.ints([2 ** 23 + 1])])
  expect(() => graph.node('Dropout', [big, key])).toThrow(/at most 8388608/)
})
