import { MurmurError } from './errors.ts'

/** The versions of messages.proto that this build speaks, both included. */
export const protocolRange = { min: 1, max: 1 } as const

/**
 * The highest version that both sides speak.
 * @throws MurmurError PROTOCOL_MISMATCH (exit `version`): says which side is the older one
 */
export function commonVersion(theirs: { readonly min: number; readonly max: number }): number {
  const version = Math.min(protocolRange.max, theirs.max)
  if (version >= protocolRange.min && version >= theirs.min) return version
  const theyAreOlder = theirs.max < protocolRange.min
  throw new MurmurError('PROTOCOL_MISMATCH', {
    message: `the worker speaks versions ${theirs.min} to ${theirs.max} of the protocol, the head ${protocolRange.min} to ${protocolRange.max}`,
    next: theyAreOlder
      ? 'upgrade murmur on the worker'
      : 'upgrade murmur on the head, or use an older worker',
    exit: 'version',
  })
}
