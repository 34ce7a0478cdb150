import type { CidText, WorkerId } from '../protocol/ids.ts'
import { maxAnnouncementBytes } from '../protocol/limits.ts'
import { openManifest } from '../protocol/manifest.ts'
import type { AdoptedManifest, RoundState } from './round/state.ts'

export interface AdoptionDependencies {
  /** From this head's store, or from a worker. */
  fetch(cid: CidText, maxBytes: number): Promise<Uint8Array>
  verify(signer: WorkerId, bytes: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/**
 * The rounds between this head's log and the manifest `newest` that a worker holds, oldest first; none when that is not
 * ahead of the log, or of another history than it. A head that took over without all of its predecessor's log goes on from
 * what workers hold, since every manifest is signed and names the one before it.
 */
export async function missingRounds(
  newest: CidText,
  state: RoundState,
  heads: readonly WorkerId[],
  { fetch, verify }: AdoptionDependencies,
): Promise<readonly AdoptedManifest[]> {
  const missing: AdoptedManifest[] = []
  for (let cid: CidText | null = newest; cid !== state.parent; ) {
    if (cid === null) return []
    const manifest = await openManifest(await fetch(cid, maxAnnouncementBytes), heads, verify)
    if (manifest.run !== state.rules.run || manifest.round < state.round) return []
    missing.unshift({ manifest, cid })
    cid = manifest.parent
  }
  return missing
}
