import { expect, test } from 'vitest'
import { ortLoader } from '../../worker/engine/ort-loader.ts'
import { ortNode } from '../../worker/engine/ort-node.ts'
import { fuse } from '../fuse/fuse.ts'
import { gradients } from '../gradients.ts'
import { createGraph } from '../graph.ts'
import { encodeModel, type OnnxModel } from '../onnx/model-proto.ts'
import { int, type Value } from '../operators/operator.ts'
import { withUsedNodes } from '../recompute/used-nodes.ts'
import { attended } from './gpt-attention.ts'
import { designOf } from './gpt-shape.ts'

interface Sizes {
  readonly T: number
  readonly H: number
  readonly K: number
}
const [B, D] = [2, 2]

/** Of one batch: attention's output, and what Σ output ⊙ upstream has for gradients. */
function attentionModel({ T, H, K }: Sizes): OnnxModel {
  const design = designOf({ layers: 1, width: H * D, heads: H, keyValueHeads: K, context: T })
  const graph = createGraph()
  const heads = (name: string, count: number) => graph.input(name, 'float32', [B, count, T, D])
  const inputs = { queries: heads('q', H), keys: heads('k', K), values: heads('v', K) }
  const output = attended(graph, design, inputs)
  const upstream = graph.input('g', 'float32', [B * T, H * D])
  const loss = graph.node('ReduceSum', [graph.node('Mul', [output, upstream])], { keepdims: int(0) })
  const wanted: readonly Value[] = [inputs.queries, inputs.keys, inputs.values]
  const made = gradients(graph, loss, wanted)
  graph.output('y', output)
  made.forEach((gradient, index) => {
    graph.output(`d${'qkv'[index]}`, gradient)
  })
  return fuse(withUsedNodes(graph.model(new Map())))
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

async function computed(model: OnnxModel, feeds: ReadonlyMap<string, Float32Array>) {
  const results = Object.fromEntries(
    model.outputs.map(({ name, shape }) => [name, { data: new Float32Array(count(shape)), shape }]),
  )
  const given = Object.fromEntries(
    model.inputs.map(({ name, shape }) => [name, { data: feeds.get(name)!, shape }]),
  )
  const loaded = await ortLoader(ortNode, 'cpu', 1)(encodeModel(model), {} as never)
  await loaded.run(given, results)
  await loaded.release()
  return results
}

/** The same in doubles, token by token, by the definition. */
function defined({ T, H, K }: Sizes, feeds: ReadonlyMap<string, Float32Array>) {
  const [q, k, v, g] = ['q', 'k', 'v', 'g'].map((name) => feeds.get(name)!) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const y = new Float64Array(g.length)
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(v.length)]
  const dot = (a: ArrayLike<number>, from: number, b: ArrayLike<number>, at: number) => {
    let sum = 0
    for (let d = 0; d < D; d++) sum += a[from + d]! * b[at + d]!
    return sum
  }
  const add = (to: Float64Array, at: number, factor: number, from: ArrayLike<number>, place: number) => {
    for (let d = 0; d < D; d++) to[at + d]! += factor * from[place + d]!
  }
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const shared = (b * K + Math.floor((h * K) / H)) * T
      for (let t = 0; t < T; t++) {
        const [query, out] = [((b * H + h) * T + t) * D, ((b * T + t) * H + h) * D]
        const key = (s: number) => (shared + s) * D
        const scores = Array.from({ length: t + 1 }, (_, s) =>
          Math.exp(dot(q, query, k, key(s)) / Math.sqrt(D)),
        )
        const total = scores.reduce((sum, score) => sum + score, 0)
        scores.forEach((score, s) => {
          add(y, out, score / total, v, key(s))
        })
        const outer = dot(g, out, y, out)
        scores.forEach((score, s) => {
          const weight = score / total
          add(dv, key(s), weight, g, out)
          const slope = (weight * (dot(g, out, v, key(s)) - outer)) / Math.sqrt(D)
          add(dq, query, slope, k, key(s))
          add(dk, key(s), slope, q, query)
        })
      }
    }
  }
  return { y, dq, dk, dv }
}

test.each([
  ['one block', { T: 127, H: 2, K: 2 }, 1],
  ['blocks of different lengths, two queries to a key', { T: 151, H: 2, K: 1 }, 2],
  ['as many blocks as there may be', { T: 517, H: 1, K: 1 }, 4],
])('%s: output and gradients are those of the definition', async (_, sizes, blocks) => {
  const model = attentionModel(sizes)
  expect(model.nodes.filter(({ opType }) => opType === 'Softmax').length).toBe(blocks)
  const feeds = new Map(
    model.inputs.map(({ name, shape }, input) => [
      name,
      Float32Array.from(
        { length: count(shape) },
        (_, at) => (((at * 7919 + input * 31) % 1009) / 1009 - 0.5) * 4,
      ),
    ]),
  )
  const [made, wanted] = [await computed(model, feeds), defined(sizes, feeds)]
  for (const [name, values] of Object.entries(wanted)) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const worst = values.reduce(
      (most, value, at) => Math.max(most, Math.abs((made[name]!.data[at] as number) - value)),
      0,
    )
    expect(worst / largest, name).toBeLessThan(1e-5)
  }
})
