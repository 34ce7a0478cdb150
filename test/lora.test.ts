import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { exportCheckpoint } from '../checkpoints/export.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { mergedWeights } from '../program/lora/merge.ts'
import { elements } from '../program/operators/operator.ts'
import { readRunModel } from '../program/run-model.ts'
import { patient, startCluster } from './cluster.ts'
import { tinyRunFile } from './tiny-run.ts'

const lora = { rank: 2, alpha: 4, targets: null }
const common = { workers: { min: 2 }, audit: { roundsPerEpoch: 1000, segments: 3 } } as const

test(
  'low-rank factors are trained on an earlier run’s result, audited, and exported merged',
  patient,
  async () => {
    await using cluster = await startCluster({ paid: false })
    const [{ store }] = await Promise.all([cluster.addWorker(), cluster.addWorker()])
    const first = await cluster.finished(
      await cluster.submit(await tinyRunFile(cluster.home, { ...common, train: { epochs: 1 } })),
    )
    const base = await store.readCheckpoint(first.checkpoints.at(-1)!.cid)

    const file = await tinyRunFile(cluster.home, {
      ...common,
      train: { epochs: 1, lora, learningRate: 0.03 },
      averaging: { compressor: 'int8' },
    })
    const report = await cluster.finished(
      await cluster.submit({ ...file, init: { from: base.manifest.tensors } }),
    )
    expect(report).toMatchObject({ phase: 'finished', task: 'language' })
    const codes = report.epochs.flatMap(({ audits }) => audits.map(({ code }) => code))
    expect(codes).toEqual(['OK', 'OK', 'OK', 'OK'])
    expect(report.heldOutLossNats.after).toBeLessThan(report.heldOutLossNats.before!)

    const { cid } = report.checkpoints.at(-1)!
    const { manifest, state } = await store.readCheckpoint(cid)
    const program = readRunModel((await store.blocks.get(manifest.program))!)
    const { movingCount, parameterCount, table } = program
    expect(movingCount * 3).toBeLessThan(parameterCount)
    for (const { name, shape, offset, role } of table) {
      if (role === undefined) continue
      const from = base.manifest.table.find((place) => place.name === name)!.offset
      const [was, is] = [
        base.state.theta.subarray(from, from + elements(shape)),
        state.theta.subarray(offset, offset + elements(shape)),
      ]
      expect(is, name).toEqual(was)
    }
    // Two moments and the error feedback in bf16: of the factors alone.
    for (const { bytes } of report.epochs.flatMap(({ audits }) => audits))
      expect(bytes).toBeLessThan(6 * movingCount + 100)

    const folder = path.join(cluster.home, 'adapted')
    const exported = await exportCheckpoint(store, cid, folder)
    const { tensors } = readSafetensors(await readFile(exported.modelFile))
    expect([...tensors.keys()].sort()).toEqual(base.manifest.table.map(({ name }) => name).sort())
    const merged = mergedWeights(state.theta, table, lora)
    const { offset, shape } = merged.table.find(({ name }) => name === 'layer0.mlp.up')!
    const values = new Float32Array(Uint8Array.from(tensors.get('layer0.mlp.up')!.bytes).buffer)
    expect(values).toEqual(merged.theta.slice(offset, offset + elements(shape)))
    const adapter = readSafetensors(await readFile(exported.adapterFile!))
    expect(Object.fromEntries(adapter.metadata)).toMatchObject({ rank: '2', alpha: '4' })
    expect([...adapter.tensors.keys()].every((name) => /\.lora_[AB]$/.test(name))).toBe(true)
  },
)
