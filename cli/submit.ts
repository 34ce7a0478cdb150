import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { parseEther } from 'viem'
import { parseDocument } from 'yaml'
import type { FetchBlockByCid } from '../checkpoints/stored-file.ts'
import { type RunModel, readRunModel } from '../program/run-model.ts'
import { contentId } from '../protocol/content-id.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { CidText, RunId } from '../protocol/ids.ts'
import { encodeRunSpec, parseRunFile, type RunFile, type RunSpec } from '../protocol/run-spec.ts'
import { readText } from '../worker/data/read-text.ts'
import { runIdOf } from '../worker/run-context.ts'
import type { ApiClient } from './api-client.ts'
import { gptDesignOf } from './gpt-design.ts'
import { prepareTraining } from './prepare-training.ts'
import { isCid, startingPoint } from './starting-point.ts'

export interface PreparedRun {
  readonly run: RunId
  readonly spec: RunSpec
  readonly blocks: ReadonlyMap<CidText, Uint8Array>
  /** What its training program says of itself. */
  readonly model: RunModel
}

/** A run file with every key and comment has 4 KiB. */
const maxRunFileBytes = 1024 * 1024

/**
 * Reads a run file, or none: then every key is left out that is not overridden. Paths are looked up beside it.
 * @throws MurmurError RUN_FILE_MISSING, RUN_FILE_INVALID.
 */
export async function readRunFile(
  given: string | undefined,
  overrides: readonly string[] = [],
): Promise<RunFile> {
  const file = given ?? 'the run'
  const text = given === undefined ? '' : await textOf(given)
  let value: unknown
  try {
    value = parseYaml(text)
  } catch (cause) {
    throw new MurmurError('RUN_FILE_INVALID', {
      message: `${file} is not YAML: ${cause instanceof Error ? cause.message.split('\n')[0] : ''}`,
      next: 'mend the file; `murmur run --help` shows an example',
      exit: 'usage',
      cause,
    })
  }
  const runFile = parseRunFile(withOverrides(value ?? {}, overrides), file)
  const folder = given === undefined ? '.' : path.dirname(given)
  const { data, model, init } = runFile
  return {
    ...runFile,
    data: withPaths(data, folder),
    model:
      model.preset === 'onnx' && !isCid(model.onnx)
        ? { ...model, onnx: path.resolve(folder, model.onnx) }
        : model,
    init: init === null || isCid(init.from) ? init : { from: path.resolve(folder, init.from) },
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return new TextDecoder().decode(await readText(file, { maxBytes: maxRunFileBytes }))
  } catch (cause) {
    if (!isMurmurError(cause)) throw cause
    if (cause.code === 'DATA_EMPTY') return ''
    throw new MurmurError(cause.code === 'DATA_TOO_LARGE' ? 'RUN_FILE_INVALID' : 'RUN_FILE_MISSING', {
      message: cause.message,
      next: 'give the path of a run file; `murmur run --help` shows an example',
      exit: 'usage',
      cause,
    })
  }
}

const pathKeys = ['file', 'folder', 'labels', 'tokenizer'] as const

/** Relative paths start at `folder`. */
function withPaths(data: RunFile['data'], folder: string): RunFile['data'] {
  const resolved = pathKeys.flatMap((key) => {
    const relative = data[key]
    return relative === undefined ? [] : [[key, path.resolve(folder, relative)] as const]
  })
  return { ...data, ...Object.fromEntries(resolved) }
}

/** One document of plain values: no aliases (a few lines of them can stand for gigabytes), no tags of other programs. */
function parseYaml(text: string): unknown {
  const document = parseDocument(text)
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) throw problem
  return document.toJS({ maxAliasCount: 0 })
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
      value: overrideValue(override, text!),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return value
}

function overrideValue(override: string, text: string): unknown {
  try {
    return parseYaml(text)
  } catch (cause) {
    throw new MurmurError('OVERRIDE_INVALID', {
      message: `the value of --set ${override} is not YAML`,
      next: 'write it as --set train.epochs=5; put text with punctuation in quotes',
      exit: 'usage',
      cause,
    })
  }
}

/**
 * Turns a run file into blocks: programs, shards, data manifest, run spec, whose CID is the run's id. `nonce` makes two
 * submissions of one file two runs; equal nonces make one. `fetch` gets the blocks of a model that the cluster has.
 */
export async function prepareRun(
  file: RunFile,
  nonce: string = randomUUID(),
  fetch?: FetchBlockByCid,
): Promise<PreparedRun> {
  if (nonce.length > 64) {
    throw new MurmurError('SUBMISSION_ID_INVALID', {
      message: `a submission id of ${nonce.length} characters is too long`,
      next: 'give at most 64 with --id',
      exit: 'usage',
    })
  }
  const { name, train, averaging, workers, resources, placement, audit, timing, reward } = file
  const { model, programs, data, blocks: more, weights } = await prepareTraining(file, fetch)
  const runModel = readRunModel(programs.training)
  const start = await startingPoint(
    file.init,
    weights ?? null,
    runModel,
    gptDesignOf(model, data.manifest.format),
    train,
  )
  const blocks = new Map<CidText, Uint8Array>()
  const add = (bytes: Uint8Array, codec: 'raw' | 'dag-cbor'): CidText => {
    const cid = contentId(bytes, codec)
    blocks.set(cid, bytes)
    return cid
  }
  for (const block of [...data.shards, ...data.heldOut, ...more]) add(block, 'raw')
  for (const [cid, block] of start.blocks) blocks.set(cid, block)
  const spec: RunSpec = {
    version: 1,
    name,
    nonce,
    programs: {
      training: add(programs.training, 'raw'),
      evaluation: add(programs.evaluation, 'raw'),
      sampling: add(programs.sampling, 'raw'),
    },
    data: add(data.manifestBytes, 'dag-cbor'),
    init: start.init,
    model,
    train,
    averaging,
    workers,
    resources,
    placement,
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
  return { run, spec, blocks, model: runModel }
}

/** Uploads every block, then submits. Repeating it is harmless. */
export async function submitRun(
  api: ApiClient,
  { run, blocks }: PreparedRun,
  options: { readonly priority?: number } = {},
): Promise<void> {
  for (const [cid, bytes] of blocks) await api.putBlock(cid, bytes)
  await api.submit(run, options)
}
