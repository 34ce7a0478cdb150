import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Circuit, TCP, WebRTCDirect, WebSockets, WebSocketsSecure } from '@multiformats/multiaddr-matcher'
import { MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import { isPrivateHost } from './private-hosts.ts'

/** Addresses in use have under 250 characters, those over a relay with a host name of full length under 450. */
const maxAddressLength = 512

/** How an address is reached. `wss` can be dialled only: a proxy with a certificate listens on it. */
export type AddressKind = 'tcp' | 'ws' | 'wss' | 'webrtc-direct' | 'relay'

const matchers: ReadonlyMap<AddressKind, (address: Multiaddr) => boolean> = new Map([
  ['tcp', (address: Multiaddr) => TCP.exactMatch(address)],
  ['ws', (address: Multiaddr) => WebSockets.exactMatch(address)],
  ['wss', (address: Multiaddr) => WebSocketsSecure.exactMatch(address)],
  ['webrtc-direct', (address: Multiaddr) => WebRTCDirect.exactMatch(address)],
  ['relay', (address: Multiaddr) => Circuit.exactMatch(address)],
])

/** Undefined for what this node has no transport for. */
export function kindOf(address: Multiaddr): AddressKind | undefined {
  for (const [kind, matches] of matchers) if (matches(address)) return kind
  return undefined
}

/** Parses an address to dial or announce, from a user or a peer. Throws ADDRESS_INVALID. */
export function parseAddress(text: string): Multiaddr {
  let parsed: Multiaddr
  try {
    if (text.length > maxAddressLength) throw new Error(`it has ${text.length} characters`)
    parsed = multiaddr(text)
    for (const { code, value } of parsed.getComponents()) if (code === CODE_P2P) peerIdFromString(value ?? '')
  } catch (cause) {
    throw invalidAddress(text, (cause as Error).message, cause)
  }
  if (kindOf(parsed) === undefined)
    throw invalidAddress(text, 'only TCP, WebSocket, WebRTC-direct and relayed addresses can be used')
  return parsed
}

/** Parses an address to listen on. Throws ADDRESS_INVALID. */
export function parseListenAddress(text: string): Multiaddr {
  const parsed = parseAddress(text)
  const kind = kindOf(parsed)
  if (kind === 'relay')
    throw invalidAddress(text, 'a relay is asked for a place by reserving there, not by listening')
  if (kind === 'wss')
    throw invalidAddress(text, 'a node has no certificate: listen on /ws behind a proxy that has one')
  return parsed
}

/** The peer that an address names in its last `/p2p/` part, if it has one. */
export function peerOf(address: Multiaddr): WorkerId | undefined {
  const parts = address.getComponents()
  const name = parts.findLast(({ code }) => code === CODE_P2P)?.value
  return name === undefined ? undefined : workerId(name)
}

/** The relay whose place this address is, for `…/p2p/<relay>/p2p-circuit[/p2p/<peer>]`; undefined for any other. */
export function relayOf(address: Multiaddr): WorkerId | undefined {
  const text = address.toString()
  const cut = text.indexOf('/p2p-circuit')
  return cut === -1 ? undefined : peerOf(multiaddr(text.slice(0, cut)))
}

/**
 * Addresses in the order in which others should try them: public ones, then those over a relay, which anyone
 * reaches, then those of a private network, this host's own last.
 */
export function byReach(addresses: readonly Multiaddr[]): readonly Multiaddr[] {
  return addresses
    .map((address) => ({ address, rank: reachRank(address) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ address }) => address)
}

function reachRank(address: Multiaddr): number {
  const [host] = address.getComponents()
  const loopback = host?.name === 'ip6' ? host.value === '::1' : host?.value?.startsWith('127.') === true
  if (loopback) return kindOf(address) === 'relay' ? 4 : 3
  if (kindOf(address) === 'relay') return 1
  return host?.value !== undefined && host.name.startsWith('ip') && isPrivateHost(host.value) ? 2 : 0
}

function invalidAddress(text: string, why: string, cause?: unknown): MurmurError {
  return new MurmurError('ADDRESS_INVALID', {
    message: `"${text.slice(0, 200)}" is not an address that this node can use: ${why}`,
    next: 'write it as /ip4/203.0.113.7/tcp/4101/p2p/12D3Koo…, as `murmur start` prints it',
    exit: 'usage',
    cause,
  })
}
