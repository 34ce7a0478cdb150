import { MurmurError } from '../protocol/errors.ts'

/** Our stream protocols by name; a protocol id is `/murmur/<name>/<major version>`. */
export const families = { requests: 'head', blocks: 'blocks', probe: 'probe' } as const

export type Family = keyof typeof families

/** Major versions, both ends included. */
export interface VersionRange {
  readonly oldest: number
  readonly newest: number
}

/** What this node speaks of every family. */
const ourVersions: VersionRange = { oldest: 1, newest: 1 }

const prefixOf = (family: Family): string => `/murmur/${families[family]}/`

/** Protocol ids of a range, the newest first, as multistream-select should be offered them. */
export function protocolIds(family: Family, range: VersionRange = ourVersions): readonly string[] {
  return Array.from(
    { length: range.newest - range.oldest + 1 },
    (_, back) => `${prefixOf(family)}${range.newest - back}`,
  )
}

/** Versions of a family in a peer's list of protocols, ascending; what is no version is passed over. */
export function versionsIn(protocols: readonly string[], family: Family): readonly number[] {
  const prefix = prefixOf(family)
  return protocols
    .filter((name) => name.startsWith(prefix) && /^\d{1,9}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b)
}

export type Comparison =
  | { readonly kind: 'common'; readonly version: number }
  /** They speak nothing of this family. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'upgrade-this-side' }
  | { readonly kind: 'upgrade-other-side' }

/** The newest version that both sides speak, or which side is behind: the one whose newest is the older. */
export function compareVersions(ours: VersionRange, theirs: readonly number[]): Comparison {
  const newest = Math.max(...theirs)
  if (theirs.length === 0) return { kind: 'foreign' }
  const common = theirs.filter((version) => version >= ours.oldest && version <= ours.newest)
  if (common.length > 0) return { kind: 'common', version: Math.max(...common) }
  return newest > ours.newest ? { kind: 'upgrade-this-side' } : { kind: 'upgrade-other-side' }
}

/** What a peer said of itself through identify. */
export interface PeerSoftware {
  readonly protocols: readonly string[]
  /** As `murmur/0.4.0`; undefined when the peer did not say. */
  readonly agent: string | undefined
}

/** PROTOCOL_MISMATCH (exit `version`): who speaks what, and which side is to be upgraded. */
export function mismatchError(
  peer: string,
  family: Family,
  { protocols, agent }: PeerSoftware,
  ours: VersionRange = ourVersions,
  cause?: unknown,
): MurmurError {
  const theirs = versionsIn(protocols, family)
  const software = agent === undefined ? '' : ` (${agent.replace(/[\p{C}]/gu, ' ').slice(0, 64)})`
  const range = ours.oldest === ours.newest ? `${ours.newest}` : `${ours.oldest} to ${ours.newest}`
  const spoken = theirs.length === 0 ? 'does not speak it at all' : `speaks version ${theirs.join(', ')}`
  return new MurmurError('PROTOCOL_MISMATCH', {
    message: `this node speaks version ${range} of ${prefixOf(family).slice(0, -1)}, ${peer}${software} ${spoken}`,
    next: nextStep(peer, compareVersions(ours, theirs)),
    exit: 'version',
    details: { peer, oldest: ours.oldest, newest: ours.newest, theirs: theirs.join(',') },
    cause,
  })
}

function nextStep(peer: string, comparison: Comparison): string {
  switch (comparison.kind) {
    case 'foreign':
      return 'check that the address is of a murmur node'
    case 'upgrade-this-side':
      return 'upgrade murmur on this node'
    case 'upgrade-other-side':
      return `upgrade murmur on ${peer}`
    case 'common':
      return 'dial it again'
    default: {
      const never: never = comparison
      return never
    }
  }
}
