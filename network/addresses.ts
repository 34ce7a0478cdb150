import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { TCP } from '@multiformats/multiaddr-matcher'
import { MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'

/** Addresses in use have under 150 characters, with a host name of full length under 350. */
const maxAddressLength = 512

/** Parses an address to dial or listen on, from a user or a peer. Throws ADDRESS_INVALID. */
export function parseAddress(text: string): Multiaddr {
  let parsed: Multiaddr
  try {
    if (text.length > maxAddressLength) throw new Error(`it has ${text.length} characters`)
    parsed = multiaddr(text)
  } catch (cause) {
    throw invalidAddress(text, (cause as Error).message, cause)
  }
  if (!TCP.exactMatch(parsed)) throw invalidAddress(text, 'only TCP addresses can be used')
  return parsed
}

/** The peer that an address names in its `/p2p/` part, if it has one. */
export function peerOf(address: Multiaddr): WorkerId | undefined {
  const name = address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
  return name === undefined ? undefined : workerId(name)
}

function invalidAddress(text: string, why: string, cause?: unknown): MurmurError {
  return new MurmurError('ADDRESS_INVALID', {
    message: `"${text.slice(0, 200)}" is not an address that this node can use: ${why}`,
    next: 'write it as /ip4/203.0.113.7/tcp/4101/p2p/12D3Koo…, as `murmur start` prints it',
    exit: 'usage',
    cause,
  })
}
