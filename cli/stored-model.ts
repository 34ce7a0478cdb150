import { type AveragedCheckpoint, averageCheckpoints } from '../checkpoints/average.ts'
import type { Store } from '../checkpoints/store.ts'
import { parseCid } from '../protocol/content-id.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import { type CidText, cidText, type RunId } from '../protocol/ids.ts'
import { decodeRunSpec, type RunSpec } from '../protocol/run-spec.ts'
import { type DataManifest, parseDataManifest } from '../worker/data/manifest.ts'
import { existingStore } from './existing-store.ts'
import { interruptible } from './interruptible.ts'

export interface StoredModel {
  readonly cid: CidText
  /** What `theta` is the mean of, newest first; empty where it is the checkpoint’s own. */
  readonly averaged: readonly AveragedCheckpoint[]
  readonly theta: Float32Array
  readonly spec: RunSpec
  readonly data: DataManifest
  /** A block of this store. Throws BLOCK_MISSING. */
  block(cid: CidText): Promise<Uint8Array>
}

/**
 * Opens the checkpoint that a user names, checked whole, with the run that it is of.
 * @param average where not null, θ is the mean of so many checkpoints up to that one
 */
export async function withModel(
  name: string | undefined,
  home: string | undefined,
  work: (model: StoredModel, signal: AbortSignal) => Promise<void>,
  average: number | null = null,
): Promise<void> {
  const store = await existingStore(home)
  try {
    await interruptible('run it again', async (signal) => {
      const cid = await checkpointOf(name, store)
      const { run, theta, averaged } = await weightsOf(store, cid, average, signal)
      const block = async (of: CidText) => {
        const bytes = await store.blocks.get(of)
        if (bytes !== undefined) return bytes
        throw new MurmurError('BLOCK_MISSING', {
          message: `the store does not have ${of}, which the checkpoint’s run names`,
          next: 'use the state folder of a head that led the run',
        })
      }
      const spec = decodeRunSpec(await block(cidText(run)))
      const data = parseDataManifest(await block(spec.data))
      await work({ cid, averaged, theta, spec, data, block }, signal)
    })
  } finally {
    await store.close()
  }
}

async function weightsOf(
  store: Store,
  cid: CidText,
  average: number | null,
  signal: AbortSignal,
): Promise<Pick<StoredModel, 'theta' | 'averaged'> & { readonly run: RunId }> {
  if (average === null) {
    const { manifest, state } = await store.readCheckpoint(cid, signal)
    return { run: manifest.run, theta: state.theta, averaged: [] }
  }
  const { averaged, theta } = await averageCheckpoints(store, cid, average, signal)
  return { run: averaged[0]!.manifest.run, theta, averaged }
}

/** Null of a run that another version of murmur made: it keeps nobody from the others. */
function nameOf(spec: Uint8Array): string | null {
  try {
    return decodeRunSpec(spec).name
  } catch (error) {
    if (isMurmurError(error, 'RUN_SPEC_INVALID')) return null
    throw error
  }
}

/** @throws MurmurError CHECKPOINT_NOT_FOUND */
async function checkpointOf(name: string | undefined, store: Store): Promise<CidText> {
  const checkpoints = await store.list()
  for (const { cid, manifest } of checkpoints) {
    if (name === undefined || name === cid || name === manifest.run) return cid
    const spec = await store.blocks.get(cidText(manifest.run))
    if (spec !== undefined && nameOf(spec) === name) return cid
  }
  // A checkpoint that is here but not pinned is read by its CID.
  if (name !== undefined && /^baf[a-z2-7]+$/.test(name)) return parseCid(name)
  throw new MurmurError('CHECKPOINT_NOT_FOUND', {
    message: name === undefined ? 'there is no checkpoint yet' : `no checkpoint is of a run called ${name}`,
    next: '`murmur checkpoint list` shows those that are here; one is written at the end of each epoch',
    exit: 'usage',
  })
}
