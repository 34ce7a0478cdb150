import type { Store } from '../checkpoints/store.ts'
import { parseCid } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText } from '../protocol/ids.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { heldOutBatches } from '../worker/data/batches.ts'
import { parseDataManifest } from '../worker/data/manifest.ts'
import { readText } from '../worker/data/read-text.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { sampleText } from '../worker/engine/sampling.ts'
import type { EvalCommandOptions } from './eval.ts'
import { existingStore } from './existing-store.ts'
import { interruptible } from './interruptible.ts'
import type { SampleCommandOptions } from './sample.ts'
import { wholeNumber } from './worker-count.ts'

/** Each byte takes a pass over the whole context. */
const maxSampleBytes = 100_000

export async function sampleCommand(name: string | undefined, options: SampleCommandOptions): Promise<void> {
  const temperature = Number(options.temperature)
  if (!(temperature >= 0 && temperature <= 10)) {
    throw new MurmurError('TEMPERATURE_INVALID', {
      message: `--temperature is ${options.temperature}`,
      next: 'give a number from 0 to 10',
      exit: 'usage',
    })
  }
  const count = wholeNumber(options.count, '--count', 1, maxSampleBytes)
  const topK = wholeNumber(options.topK, '--top-k', 1, 65_536)
  const seed = wholeNumber(options.seed, '--seed', 0, Number.MAX_SAFE_INTEGER)
  const prompt = new TextEncoder().encode(options.prompt)
  await withModel(name, options.home, async ({ cid, theta, spec, block }, signal) => {
    const session = await ortCpuEngine().loadSampling(await block(spec.programs.sampling), signal)
    try {
      // A character may take several bytes: what is printed is whole ones.
      const decoder = new TextDecoder()
      const print = (bytes: Uint8Array) => {
        if (options.json !== true) process.stdout.write(shown(decoder.decode(bytes, { stream: true })))
      }
      print(prompt)
      const made = await sampleText(
        session,
        theta,
        prompt,
        { count, temperature, topK, seed, onBytes: print },
        signal,
      )
      const text = new TextDecoder().decode(made)
      if (options.json === true)
        process.stdout.write(`${JSON.stringify({ checkpoint: cid, prompt: options.prompt, text })}\n`)
      else process.stdout.write(`${shown(decoder.decode())}\n`)
    } finally {
      await session.close()
    }
  })
}

export async function evalCommand(name: string | undefined, options: EvalCommandOptions): Promise<void> {
  const most = wholeNumber(options.batches, '--batches', 1, 100_000)
  await withModel(name, options.home, async ({ cid, theta, spec, block }, signal) => {
    const shape = { batch: spec.train.batch, context: spec.model.context }
    const texts = options.data === undefined ? await heldOut(spec, block) : [await readText(options.data)]
    if (texts.every((text) => text.length <= shape.context)) {
      throw new MurmurError('DATA_TOO_SHORT', {
        message: `the text is shorter than a window of ${shape.context} bytes and one more`,
        next: 'give a longer text with --data',
        exit: 'usage',
      })
    }
    const batches = heldOutBatches(texts, shape, most)
    const session = await ortCpuEngine().loadEvaluation(await block(spec.programs.evaluation), signal)
    try {
      let sum = 0
      for (const batch of batches) {
        signal.throwIfAborted()
        sum += (await session.evaluate(theta, batch)).lossNats
      }
      const lossNats = sum / batches.length
      const bitsPerByte = lossNats / Math.LN2
      const tokens = batches.length * shape.batch * shape.context
      if (options.json === true) {
        process.stdout.write(
          `${JSON.stringify({ checkpoint: cid, lossNats, bitsPerByte, perplexity: Math.exp(lossNats), tokens })}\n`,
        )
        return
      }
      process.stdout.write(
        `${lossNats.toFixed(4)} nats a byte, ${bitsPerByte.toFixed(4)} bits a byte, perplexity ${Math.exp(lossNats).toFixed(2)}, ` +
          `on ${tokens.toLocaleString('en')} bytes of ${options.data ?? 'held-out text'}\n`,
      )
    } finally {
      await session.close()
    }
  })
}

interface Model {
  readonly cid: CidText
  readonly theta: Float32Array
  readonly spec: RunSpec
  /** A block of this store. Throws BLOCK_MISSING. */
  block(cid: CidText): Promise<Uint8Array>
}

/** Opens the checkpoint that a user names, checked whole, with the run that it is of. */
async function withModel(
  name: string | undefined,
  home: string | undefined,
  work: (model: Model, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const store = await existingStore(home)
  try {
    await interruptible('run it again', async (signal) => {
      const cid = await checkpointOf(name, store)
      const { manifest, state } = await store.readCheckpoint(cid, signal)
      const block = async (of: CidText) => {
        const bytes = await store.blocks.get(of)
        if (bytes !== undefined) return bytes
        throw new MurmurError('BLOCK_MISSING', {
          message: `the store does not have ${of}, which the checkpoint’s run names`,
          next: 'use the state folder of a head that led the run',
        })
      }
      const spec = decodeRunSpec(await block(cidText(manifest.run)))
      await work({ cid, theta: state.theta, spec, block }, signal)
    })
  } finally {
    await store.close()
  }
}

/** @throws MurmurError CHECKPOINT_NOT_FOUND */
async function checkpointOf(name: string | undefined, store: Store): Promise<CidText> {
  const checkpoints = await store.list()
  for (const { cid, manifest } of checkpoints) {
    if (name === undefined || name === cid || name === manifest.run) return cid
    const spec = await store.blocks.get(cidText(manifest.run))
    if (spec !== undefined && decodeRunSpec(spec).name === name) return cid
  }
  // A checkpoint that is here but not pinned is read by its CID.
  if (name !== undefined && /^baf[a-z2-7]+$/.test(name)) return parseCid(name)
  throw new MurmurError('CHECKPOINT_NOT_FOUND', {
    message: name === undefined ? 'there is no checkpoint yet' : `no checkpoint is of a run called ${name}`,
    next: '`murmur checkpoint list` shows those that are here; one is written at the end of each epoch',
    exit: 'usage',
  })
}

async function heldOut(spec: RunSpec, block: Model['block']): Promise<readonly Uint8Array[]> {
  const { heldOut: shards } = parseDataManifest(await block(spec.data))
  return await Promise.all(shards.map(({ cid }) => block(cid)))
}

/** What a model says must not steer a terminal: control characters but for line ends and tabs are dropped. */
const shown = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '')
