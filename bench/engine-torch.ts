import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { ModelSpec } from '../program/model-spec.ts'

/** A process that takes the same steps in PyTorch (bench/engine-torch.py). */
export interface Torch {
  steps(
    mode: 'eager' | 'compile',
    count: number,
  ): Promise<{ readonly ms: readonly number[]; readonly parameters: number }>
  /** GFLOP/s of a product of matrices, the best of some. */
  peak(): Promise<number>
  close(): void
}

const peakRepetitions = 20

export async function openTorch(python: string, spec: ModelSpec, threads: number): Promise<Torch> {
  const child = spawn(python, [path.join(import.meta.dirname, 'engine-torch.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Libraries that count threads when they are loaded.
    env: { ...process.env, OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) },
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async <Answer>(line: string): Promise<Answer> => {
    child.stdin.write(`${line}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error('PyTorch ended without an answer')
    return JSON.parse(value) as Answer
  }
  const { preset, ...shape } = spec
  await ask(JSON.stringify({ model: preset, ...shape, threads }))
  return {
    steps: (mode, count) => ask(`${mode} ${count}`),
    peak: async () => (await ask<{ readonly gflops: number }>(`peak ${peakRepetitions}`)).gflops,
    close: () => child.kill(),
  }
}
