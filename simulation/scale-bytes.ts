import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import { maxMembers } from '../protocol/limits.ts'
import { encode, type Gossip, type RoundManifest } from '../protocol/wire.ts'
import { signedManifest } from './history.ts'
import { peerName } from './names.ts'

/** A message on the wire names at most 1,024 members: longer ones are encoded in parts, and the parts' bytes added. */
const slices = (length: number): readonly (readonly [from: number, to: number])[] =>
  Array.from({ length: Math.max(1, Math.ceil(length / maxMembers)) }, (_, part) => [
    part * maxMembers,
    (part + 1) * maxMembers,
  ])

/** Encoded bytes of an opening or of the close of the commits. */
export function announcementBytes(message: Gossip): number {
  const { body } = message
  if (body.kind !== 'roundOpen' && body.kind !== 'revealOpen') return encode('Gossip', message).length
  const list = body.kind === 'roundOpen' ? body.slots : body.commits
  return slices(list.length).reduce((sum, [from, to]) => {
    const part =
      body.kind === 'roundOpen'
        ? { ...body, slots: body.slots.slice(from, to) }
        : { ...body, commits: body.commits.slice(from, to) }
    return sum + encode('Gossip', { ...message, body: part }).length
  }, 0)
}

/** A manifest signed by the head, as long as its parts together; its CID hashes as many bytes as the real one's. */
export function manifestBlock(manifest: RoundManifest): {
  readonly block: Uint8Array
  readonly cid: CidText
} {
  const parts = slices(Math.max(manifest.entries.length, manifest.slots.length)).map(([from, to]) =>
    signedManifest(
      {
        ...manifest,
        entries: manifest.entries.slice(from, to),
        refused: manifest.refused.slice(from, to),
        slots: manifest.slots.slice(from, to),
      },
      peerName(0),
    ),
  )
  const block = Buffer.concat(parts)
  return { block, cid: contentId(block, 'raw') }
}

/** The real encoded length of what workers say, found once for each kind of message. */
export class MessageSizes {
  readonly #sizes = new Map<string, number>()

  of(message: Gossip): number {
    const { kind } = message.body
    const known = this.#sizes.get(kind)
    if (known !== undefined) return known
    const bytes = encode('Gossip', message).length
    this.#sizes.set(kind, bytes)
    return bytes
  }
}
