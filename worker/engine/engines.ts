import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { EngineName } from './engine-names.ts'

/** Why an engine cannot be used here, and what to do about it. */
export interface Missing {
  readonly reason: string
  readonly fix: string
}

/** A real training step of the default model. */
export interface Probe {
  readonly engineClass: string
  readonly stepMs: number
  readonly lossNats: number
  /** Of one step. */
  readonly tokens: number
}

const answerSchema = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    engineClass: z.string(),
    stepMs: z.number(),
    lossNats: z.number(),
    tokens: z.number(),
  }),
  z.object({ ok: z.literal(false), reason: z.string() }),
])
export type ProbeAnswer = z.infer<typeof answerSchema>

/** Software drivers compile a model's shaders for up to a minute, once. */
const probeTimeoutMs = 120_000
const maxAnswerBytes = 64 * 1024

/** What an engine needs beside this package. */
const fixes: Readonly<Record<EngineName, string>> = {
  'ort-cpu': 'run `npm ci` again: onnxruntime does not load or does not run here',
  'ort-wasm': 'run `npm ci` again: onnxruntime does not load or does not run here',
  'ort-webgpu':
    'install the graphics card’s driver for Vulkan (or scripts/install-software-vulkan.sh, to test without a card)',
  'ort-cuda':
    'install CUDA 12 and cuDNN 9, then run `npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12`',
  tfjs: 'run `npm ci` again: @tensorflow/tfjs-core and its backends do not load here',
}

/**
 * Two real steps in a process of their own, so that no driver's crash is this process's.
 * @returns what was measured, or what is missing. Rejects only with the signal's reason.
 */
export async function probeEngine(name: EngineName, signal?: AbortSignal): Promise<Probe | Missing> {
  signal?.throwIfAborted()
  const lacking = name === 'ort-cuda' ? cudaLacking() : null
  if (lacking !== null) return { reason: lacking, fix: fixes[name] }
  const script = fileURLToPath(new URL('./probe-engine.ts', import.meta.url))
  const options = {
    timeout: probeTimeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxAnswerBytes,
    signal,
  } as const
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, name], options)
    const answer = answerSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
    if (!answer.ok) return { reason: answer.reason, fix: fixes[name] }
    const { engineClass, stepMs, lossNats, tokens } = answer
    return { engineClass, stepMs, lossNats, tokens }
  } catch (error) {
    signal?.throwIfAborted()
    const { killed, signal: died } = error as { killed?: boolean; signal?: string }
    const reason = killed
      ? `it took more than ${probeTimeoutMs / 1000} s for two steps`
      : `it ended its process (${died ?? 'without an answer'})`
    return { reason, fix: fixes[name] }
  }
}

export const isMissing = (probed: Probe | Missing): probed is Missing => 'reason' in probed

/** What keeps an engine from running here; null when nothing does. */
export async function missingFor(name: EngineName, signal?: AbortSignal): Promise<Missing | null> {
  const probed = await probeEngine(name, signal)
  return isMissing(probed) ? probed : null
}

/** CUDA's provider is a library of its own that onnxruntime's installation fetches only when it is told to. */
function cudaLacking(): string | null {
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  const folder = path.join(root, 'bin/napi-v6', process.platform, process.arch)
  const file = { linux: 'libonnxruntime_providers_cuda.so', win32: 'onnxruntime_providers_cuda.dll' }
  const wanted = file[process.platform as keyof typeof file]
  if (wanted === undefined) return `CUDA is not for ${process.platform}`
  return existsSync(path.join(folder, wanted)) ? null : `${wanted} is not installed`
}
