import { admit, type Submission } from '../aggregation/admission.ts'
import { applyRound, decodeContributions } from '../aggregation/apply-round.ts'
import { floatBytes, floatsOf } from '../aggregation/float-bytes.ts'
import { fragmentOf } from '../aggregation/fragments.ts'
import type { ReplicaState } from '../aggregation/replica-state.ts'
import {
  averageOf,
  closeRound,
  contributionsOf,
  decodeParts,
  partsOf,
  type RoundPart,
} from '../aggregation/shared-average.ts'
import { stateRoot } from '../aggregation/state-root.ts'
import { contentId, sha256 } from '../protocol/content-id.ts'
import type { CidText, Hash, WorkerId } from '../protocol/ids.ts'
import { maxAnnouncementBytes } from '../protocol/limits.ts'
import { leaderIndex } from '../protocol/term.ts'
import { decode, encode, type RoundManifest } from '../protocol/wire.ts'
import type { Training } from './training.ts'

/** Gives a block, or nothing. */
export type Blocks = (cid: CidText) => Uint8Array | undefined

const signatureOf = (signer: WorkerId, manifest: Uint8Array): Uint8Array => {
  const digest = sha256(Buffer.concat([Buffer.from(`simulated signature of ${signer}`), manifest]))
  return Buffer.concat([digest, digest])
}

/** A manifest's block. A signature is a hash that the simulation lets nobody else compute. */
export function signedManifest(manifest: RoundManifest, signer: WorkerId): Uint8Array {
  const bytes = encode('RoundManifest', manifest)
  return encode('SignedManifest', { manifest: bytes, signer, signature: signatureOf(signer, bytes) })
}

const opened = new WeakMap<Uint8Array, RoundManifest | null>()

/** The manifest in a block, when the head that led its term signed it. */
export function openSigned(block: Uint8Array, heads: readonly WorkerId[]): RoundManifest | null {
  const known = opened.get(block)
  if (known !== undefined) return known
  const { manifest: bytes, signer, signature } = decode('SignedManifest', block, maxAnnouncementBytes)
  const manifest = decode('RoundManifest', bytes, maxAnnouncementBytes)
  const genuine =
    signer === heads[leaderIndex(manifest.term)] &&
    Buffer.compare(signature, signatureOf(signer, bytes)) === 0
  opened.set(block, genuine ? manifest : null)
  return genuine ? manifest : null
}

/** What of a round is not here yet; where `remade`, instead of its average what that can be made again of. */
export function missingOf(
  { averaging, parameterCount }: Training,
  manifest: Manifest,
  blocks: Blocks,
  remade = false,
): CidText[] {
  const missing = (parts: readonly RoundPart[]) =>
    parts.map(({ cid }) => cid).filter((cid) => blocks(cid) === undefined)
  const absent = missing(partsOf(manifest, averaging, parameterCount))
  if (absent.length === 0 || !remade || manifest.average === null) return absent
  return missing(contributionsOf(manifest, averaging, parameterCount))
}

type Manifest = Pick<RoundManifest, 'round' | 'entries' | 'average'>

/** θ after a round: the real aggregation over the real bytes. Null when a part of it is missing. */
export function applied(
  { averaging }: Training,
  state: ReplicaState,
  manifest: Manifest,
  blocks: Blocks,
): { readonly state: ReplicaState; readonly stateRoot: Hash } | null {
  const count = state.theta.length
  const { round } = manifest
  const read = (parts: readonly RoundPart[]) => {
    const found = parts.flatMap(({ cid, tokens }) => {
      const bytes = blocks(cid)
      return bytes === undefined ? [] : [{ bytes, tokens }]
    })
    return found.length === parts.length ? found : null
  }
  const { shared } = averaging
  let parts = read(partsOf(manifest, averaging, count))
  if (parts === null && shared !== undefined) {
    const contributions = read(contributionsOf(manifest, averaging, count))
    if (contributions === null) return null
    const updates = decodeContributions(averaging, round, count, contributions)
    parts = [{ bytes: averageOf(shared, updates, averaging, round, count), tokens: 1 }]
  }
  return parts && applyRound(state, decodeParts(averaging, round, count, parts), averaging, round)
}

/** What the head does with the submissions of a round: admission, then the outer step. */
export function admittedRound(
  { averaging }: Training,
  state: ReplicaState,
  round: number,
  submissions: readonly Submission[],
) {
  const { compressor, fragments } = averaging
  const { length } = fragmentOf(round, fragments, state.theta.length)
  const { admitted, refused } = admit(submissions, { compressor, parameterCount: length })
  return { admitted, refused, ...closeRound(state, admitted, averaging, round) }
}

/** Every replica writes the same checkpoint after the same round: here a block of its vectors' bytes. */
export function checkpointBlock({ theta, vectors }: ReplicaState): {
  readonly cid: CidText
  readonly block: Uint8Array
} {
  const block = new Uint8Array(Buffer.concat([theta, ...vectors].map(floatBytes)))
  return { cid: contentId(block, 'raw'), block }
}

function stateOf(block: Uint8Array, parameterCount: number): ReplicaState {
  const values = floatsOf(block)
  const vectors: Float32Array[] = []
  for (let start = parameterCount; start < values.length; start += parameterCount)
    vectors.push(values.slice(start, start + parameterCount))
  return { theta: values.slice(0, parameterCount), vectors }
}

export interface Rebuilt {
  readonly state: ReplicaState
  readonly stateRoot: Hash
  readonly round: number
  readonly appliedTerm: number
  /** Oldest first. */
  readonly manifests: readonly { readonly manifest: RoundManifest; readonly cid: CidText }[]
  /** The replica at the start of each round that was applied on the way, and after the last. */
  readonly starts: ReadonlyMap<number, ReplicaState>
}

/** What a rebuild still needs, or what it led to, or why it cannot be. */
export type Rebuilding =
  | { readonly kind: 'needs'; readonly cids: readonly CidText[] }
  | { readonly kind: 'broken'; readonly text: string }
  | { readonly kind: 'rebuilt'; readonly rebuilt: Rebuilt }

/**
 * Rebuilds a replica as of a manifest as checkpoints/rebuild.ts does: back along the chain to the newest checkpoint, then forward
 * over the contributions, checking signatures, links and roots.
 * @param remade averages that nobody has are made again of the contributions
 */
export function rebuild(
  training: Training,
  newest: CidText | null,
  heads: readonly WorkerId[],
  blocks: Blocks,
  { fromTheBeginning = false, remade = false } = {},
): Rebuilding {
  const manifests: { manifest: RoundManifest; cid: CidText }[] = []
  for (let cid = newest; cid !== null; ) {
    const block = blocks(cid)
    if (block === undefined) return { kind: 'needs', cids: [cid] }
    const manifest = openSigned(block, heads)
    if (manifest === null) return { kind: 'broken', text: 'a manifest that no head signed' }
    const after = manifests[0]
    if (after !== undefined && manifest.round !== after.manifest.round - 1)
      return { kind: 'broken', text: 'a manifest that does not lead to the next' }
    manifests.unshift({ manifest, cid })
    cid = manifest.checkpoint === null || fromTheBeginning ? manifest.parent : null
  }
  let state = training.initial
  let rest = manifests
  const first = manifests[0]?.manifest
  if (first !== undefined && first.checkpoint !== null && !fromTheBeginning) {
    const block = blocks(first.checkpoint)
    if (block === undefined) return { kind: 'needs', cids: [first.checkpoint] }
    state = stateOf(block, training.parameterCount)
    if (stateRoot(state) !== first.stateRoot) return { kind: 'broken', text: 'a checkpoint of another root' }
    rest = manifests.slice(1)
  }
  const missing = rest.flatMap(({ manifest }) => missingOf(training, manifest, blocks, remade))
  if (missing.length > 0) return { kind: 'needs', cids: missing }
  const starts = new Map<number, ReplicaState>()
  for (const { manifest } of rest) {
    if (stateRoot(state) !== manifest.baseRoot)
      return { kind: 'broken', text: `round ${manifest.round} starts from another root` }
    starts.set(manifest.round, state)
    const next = applied(training, state, manifest, blocks)!
    if (next.stateRoot !== manifest.stateRoot)
      return { kind: 'broken', text: `round ${manifest.round} leads to another root` }
    state = next.state
  }
  const last = manifests.at(-1)?.manifest
  const round = last === undefined ? 0 : last.round + 1
  starts.set(round, state)
  return {
    kind: 'rebuilt',
    rebuilt: {
      ...{ state, stateRoot: stateRoot(state), round, appliedTerm: last?.term ?? 0, manifests, starts },
    },
  }
}
