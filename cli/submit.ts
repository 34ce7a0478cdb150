import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseEther } from 'viem'
import { parse as parseYaml } from 'yaml'
import { buildTrainingProgram } from '../program/training-program.ts'
import { contentId } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile, type RunFile, type RunSpec } from '../protocol/run-spec.ts'
import { encodeDataManifest } from '../worker/data/manifest.ts'
import { mobyDick } from '../worker/data/moby-dick.ts'
import { readText } from '../worker/data/read-text.ts'
import { shardText } from '../worker/data/shards.ts'
import { runIdOf } from '../worker/run-context.ts'
import type { ApiClient } from './api-client.ts'

export interface PreparedRun {
  readonly run: RunId
  readonly spec: RunSpec
  readonly blocks: ReadonlyMap<CidText, Uint8Array>
}

/** Reads a run file. Throws RUN_FILE_MISSING, RUN_FILE_INVALID. */
export async function readRunFile(file: string, overrides: readonly string[] = []): Promise<RunFile> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new MurmurError('RUN_FILE_MISSING', {
      message: `${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      next: 'give the path of a run file; `murmur run --help` shows an example',
      exit: 'usage',
      cause,
    })
  }
  let value: unknown
  try {
    value = parseYaml(text, { maxAliasCount: 0 })
  } catch (cause) {
    throw new MurmurError('RUN_FILE_INVALID', {
      message: `${file} is not YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : ''}`,
      next: 'mend the file; `murmur run --help` shows an example',
      exit: 'usage',
      cause,
    })
  }
  return parseRunFile(withOverrides(value ?? {}, overrides), file)
}

/** Applies `--set train.seed=7`: values are YAML. */
function withOverrides(value: unknown, overrides: readonly string[]): unknown {
  for (const override of overrides) {
    const [, key, text] = /^([A-Za-z][\w.]*)=(.*)$/s.exec(override) ?? []
    if (key === undefined || typeof value !== 'object' || value === null) {
      throw new MurmurError('OVERRIDE_INVALID', {
        message: `--set ${override} is not key=value`,
        next: 'write it as --set train.epochs=5',
        exit: 'usage',
      })
    }
    const parts = key.split('.')
    let place = value as Record<string, unknown>
    for (const part of parts.slice(0, -1)) {
      const below = Object.hasOwn(place, part) ? place[part] : undefined
      const next = typeof below === 'object' && below !== null ? (below as Record<string, unknown>) : {}
      Object.defineProperty(place, part, {
        value: next,
        enumerable: true,
        writable: true,
        configurable: true,
      })
      place = next
    }
    Object.defineProperty(place, parts.at(-1)!, {
      value: parseYaml(text!),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return value
}

/**
 * Turns a run file into blocks: programs, shards, data manifest, run spec, whose CID is the run's id. `nonce` makes two
 * submissions of one file two runs; equal nonces make one.
 */
export async function prepareRun(file: RunFile, nonce: string = randomUUID()): Promise<PreparedRun> {
  const { name, data, model, train, averaging, workers, audit, timing, reward } = file
  // Refuses a model that is too big before anything of its size is allocated.
  const program = buildTrainingProgram({
    preset: model.preset,
    layers: model.layers,
    width: model.width,
    heads: model.heads,
    context: model.context,
    batch: train.batch,
  })
  const text = 'file' in data ? await readText(data.file) : await mobyDick()
  const sharded = shardText(text, { context: model.context })
  const blocks = new Map<CidText, Uint8Array>()
  const add = (bytes: Uint8Array, codec: 'raw' | 'dag-cbor'): CidText => {
    const cid = contentId(bytes, codec)
    blocks.set(cid, bytes)
    return cid
  }
  for (const shard of [...sharded.shards, ...sharded.heldOut]) add(shard, 'raw')
  const spec: RunSpec = {
    version: 1,
    name,
    nonce,
    programs: {
      training: add(program.training, 'raw'),
      evaluation: add(program.evaluation, 'raw'),
      sampling: add(program.sampling, 'raw'),
    },
    data: add(encodeDataManifest(sharded.manifest), 'dag-cbor'),
    model,
    train,
    averaging,
    workers,
    audit,
    timing,
    reward:
      reward === null
        ? null
        : {
            perEpochWei: parseEther(reward.perEpoch).toString(),
            disputeWindowSeconds: reward.disputeWindowSeconds,
          },
  }
  const bytes = encodeRunSpec(spec)
  const run = runIdOf(bytes)
  add(bytes, 'dag-cbor')
  return { run, spec, blocks }
}

/** Uploads every block, then submits. Repeating it is harmless. */
export async function submitRun(api: ApiClient, { run, blocks }: PreparedRun): Promise<void> {
  for (const [cid, bytes] of blocks) await api.putBlock(cid, bytes)
  await api.submit(run)
}
