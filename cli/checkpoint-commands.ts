import { exportCheckpoint } from '../checkpoints/export.ts'
import { exportAverage } from '../checkpoints/export-average.ts'
import { parseCid } from '../protocol/content-id.ts'
import type { ExportCommandOptions } from './checkpoint.ts'
import { averageCount, averageText } from './checkpoint-average.ts'
import { existingStore } from './existing-store.ts'
import { exportHuggingFace } from './export-hugging-face.ts'

export async function listCommand(options: { home?: string; json?: boolean }): Promise<void> {
  const store = await existingStore(options.home)
  try {
    const checkpoints = await store.list()
    if (options.json === true) {
      process.stdout.write(`${JSON.stringify(checkpoints, null, 2)}\n`)
      return
    }
    for (const { cid, manifest } of checkpoints) {
      process.stdout.write(
        `${cid}  epoch ${manifest.epoch + 1}  round ${manifest.round + 1}  run ${manifest.run}\n`,
      )
    }
    if (checkpoints.length === 0)
      process.stderr.write('no checkpoints yet: one is written at the end of each epoch\n')
  } finally {
    await store.close()
  }
}

export async function exportCommand(cid: string, options: ExportCommandOptions): Promise<void> {
  const checkpoint = parseCid(cid)
  const overwrite = options.force === true
  const count = averageCount(options.average)
  if (options.format === 'hugging-face') {
    const paths = await exportHuggingFace(checkpoint, options.out, {
      home: options.home,
      overwrite,
      average: count,
    })
    process.stdout.write(`${paths.join('\n')}\n`)
    return
  }
  const store = await existingStore(options.home)
  try {
    if (count !== null) {
      const { averaged, modelFile } = await exportAverage(store, { cid: checkpoint, count }, options.out, {
        overwrite,
      })
      process.stdout.write(`${modelFile}\n`)
      process.stderr.write(`${averageText(averaged)}\n`)
      return
    }
    const { modelFile, adapterFile } = await exportCheckpoint(store, checkpoint, options.out, { overwrite })
    process.stdout.write(`${modelFile}\n`)
    if (adapterFile !== null) process.stdout.write(`${adapterFile}\n`)
  } finally {
    await store.close()
  }
}
