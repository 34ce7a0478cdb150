import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { exportCheckpoint } from '../checkpoints/export.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { importOnnx } from '../cli/import-onnx.ts'
import { drawsAt } from '../protocol/random.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { trainRound } from '../worker/train-round.ts'
import { patient, startCluster } from './cluster.ts'

/* A module that was exported from PyTorch, trained by real workers and given back (docs/bring-your-own-model.md). */

const fixtures = path.join(import.meta.dirname, '../program/import/fixtures')
const side = 8

/** The layout of NumPy's .npy, version 1.0. */
function npy(type: string, shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`
  const header = Buffer.from(`${text.padEnd(128 - 10 - 1)}\n`)
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]), header, bytes])
}

/** Noise in which one quarter is bright: the label says which. */
async function writeImages(folder: string, count: number) {
  const draw = drawsAt(5, 'simulation', [0, 0])
  const labels = Array.from({ length: count }, () => draw() % 4)
  const values = Float32Array.from({ length: count * side * side }, (_, index) => {
    const [row, place] = [Math.floor(index / (side * side)), index % (side * side)]
    const quarter = 2 * Math.floor(place / side / 4) + Math.floor((place % side) / 4)
    return draw() / 2 ** 32 + (quarter === labels[row] ? 1 : 0)
  })
  const [images, targets] = [path.join(folder, 'images.npy'), path.join(folder, 'labels.npy')]
  await writeFile(images, npy('<f4', [count, 1, side, side], new Uint8Array(values.buffer)))
  await writeFile(targets, npy('<i8', [count], new Uint8Array(BigInt64Array.from(labels, BigInt).buffer)))
  return { file: images, labels: targets }
}

test(
  'a ResNet with BatchNorm: audited to the bit, joined on the way, loaded back by name',
  patient,
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'murmur-imported-'))
    await using cluster = await startCluster({ paid: false })
    const onnx = path.join(fixtures, 'resnet-dynamo.onnx')
    const file = parseRunFile(
      {
        name: 'resnet',
        data: await writeImages(folder, 400),
        model: { onnx },
        train: { batch: 8, innerSteps: 10, roundsPerEpoch: 2, epochs: 2, learningRate: 0.01, warmupSteps: 2 },
        averaging: { compressor: 'bf16', rule: 'mean' },
        workers: { min: 2, quorum: 1, adaptive: false },
        audit: { roundsPerEpoch: 1000 },
      },
      'run.yaml',
    )
    // Round 1 waits for the newcomer, who has nothing but the initial weights and round 0 to start from.
    const newcomerReady = Promise.withResolvers<void>()
    const train: typeof trainRound = async (inputs, signal, onStep) => {
      if (inputs.round === 1) await newcomerReady.promise
      return await trainRound(inputs, signal, onStep)
    }
    const [first] = await Promise.all([cluster.addWorker({ train }), cluster.addWorker({ train })])
    const run = await cluster.submit(file)
    await cluster.watch(run, 'round 0 to be over', ({ rounds }) => rounds.length === 1)
    const newcomer = await cluster.addWorker()
    await cluster.watch(run, 'the newcomer to have caught up', ({ workers }) =>
      workers.some(({ id, status }) => id === newcomer.id && status === 'ready'),
    )
    newcomerReady.resolve()
    const report = await cluster.finished(run)

    expect(report).toMatchObject({ phase: 'finished', task: 'classification' })
    for (const { stateRoot, stateRoots } of report.rounds)
      expect(new Set(stateRoots)).toEqual(new Set([stateRoot]))
    const codes = report.epochs.flatMap(({ audits }) => audits.map(({ code }) => code))
    expect(codes.length).toBeGreaterThanOrEqual(4)
    expect(new Set(codes)).toEqual(new Set(['OK']))
    expect(report.heldOutLossNats.after).toBeLessThan(report.heldOutLossNats.before! / 2)

    const [checkpoint] = await first.store.list()
    const { modelFile } = await exportCheckpoint(first.store, checkpoint!.cid, path.join(folder, 'out'))
    const { tensors } = readSafetensors(await readFile(modelFile))
    const recorded = JSON.parse(await readFile(path.join(fixtures, 'training.json'), 'utf8'))
    expect(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))).toEqual(
      recorded.resnet.state,
    )
    const { table, weights } = await importOnnx(onnx, { loss: 'cross_entropy' })
    const start = weights()
    for (const { name, offset, role } of table.parameters) {
      const { bytes } = tensors.get(name)!
      const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
      expect(value, `${role ?? 'weight'} ${name} has moved`).not.toBe(start[offset])
    }
    await rm(folder, { recursive: true })
  },
)
