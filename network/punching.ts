import { createServer } from 'node:net'
import type {
  Connection,
  DialTransportOptions,
  PeerId,
  PeerStore,
  Transport,
  UpgraderOptions,
} from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { peerOf, relayOf } from './addresses.ts'
import type { ObservedAddresses } from './observed-addresses.ts'
import { isPrivateHost } from './private-hosts.ts'

/**
 * Hole punching over TCP (Ford, Srisuresh, Kegel, "Peer-to-Peer Communication Across Network Address Translators",
 * USENIX 2005, section 4): a NAT that maps by source endpoint gives two connections from one local port the same outside
 * port. So a node behind one dials everything public from one port of its own, learns from its relay which outside port
 * that is, and a peer that dials there at the same moment meets our own attempt. libp2p's dcutr times the two, but js-libp2p
 * dials each from another port, which never meets.
 */
export interface PunchPort {
  readonly port: number
  /** Dials public addresses from the port, where the system lets it. */
  wrap(transport: Transport, components: PunchComponents): Transport
}

export interface PunchComponents {
  readonly connectionManager: { getConnections(peer: PeerId): Connection[] }
  readonly peerStore: PeerStore
}

/** What dcutr gives the dial that is to meet the other side's; libp2p passes no other mark of it on (dcutr.ts). */
const punchPriority = 100

/** A port that nothing uses now, and that no listener of ours takes: a listener would keep connections off it. */
export async function findPunchPort(): Promise<PunchPort | undefined> {
  const port = await new Promise<number | undefined>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(0, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
  return port === undefined
    ? undefined
    : { port, wrap: (transport, components) => dialFrom(port, transport, components) }
}

function dialFrom(port: number, transport: Transport, components: PunchComponents): Transport {
  const dial = transport.dial.bind(transport)
  transport.dial = async (address, options) => {
    const host = address.getComponents()[0]
    if (host?.value === undefined || !host.name.startsWith('ip') || isPrivateHost(host.value))
      return await dial(address, options)
    const role = await roleFor(address, (options as { priority?: number }).priority, components)
    if (role === 'hopeless')
      throw new Error(`${address} is behind a NAT, which only hole punching gets through`)
    const asTold = role === 'responder' ? asResponder(options) : options
    try {
      return await dial(address, { ...asTold, localPort: port } as typeof options)
    } catch (error) {
      // A connection from this port to that address is still being forgotten by the system: any other port then.
      if (!/EADDRINUSE|EADDRNOTAVAIL/.test(String(error))) throw error
      return await dial(address, asTold)
    }
  }
  return transport
}

/** The whole connection must know its role: yamux numbers its streams by the raw connection's direction. */
function asResponder(options: DialTransportOptions): DialTransportOptions {
  const { upgrader } = options
  const upgradeOutbound: typeof upgrader.upgradeOutbound = (connection, upgrade) => {
    Object.assign(connection, { direction: 'inbound' })
    return upgrader.upgradeOutbound(connection, { ...upgrade, initiator: false } as UpgraderOptions)
  }
  return {
    ...options,
    upgrader: Object.assign(Object.create(upgrader) as typeof upgrader, { upgradeOutbound }),
  }
}

/**
 * Two dials that meet make one connection with two dialling ends: the side that was dialled over the relay must answer
 * the handshake (DCUtR specification, "The Protocol", step 5). libp2p's dial queue loses dcutr's word on that.
 * `hopeless`: what dcutr tries first, a dial of its own to a peer that says itself that it is reached through a relay.
 */
async function roleFor(
  address: Multiaddr,
  priority: number | undefined,
  { connectionManager, peerStore }: PunchComponents,
): Promise<'initiator' | 'responder' | 'hopeless'> {
  const name = peerOf(address)
  if (name === undefined) return 'initiator'
  const peer = peerIdFromString(name)
  const relayed = connectionManager.getConnections(peer).find(({ limits }) => limits !== undefined)
  if (relayed === undefined || relayed.direction === 'outbound') return 'initiator'
  if (priority === punchPriority) return 'responder'
  const known = await peerStore.get(peer).catch(() => undefined)
  return known?.addresses.some(({ multiaddr: one }) => relayOf(one) !== undefined) === true
    ? 'hopeless'
    : 'initiator'
}

/** Tells dcutr, and nobody else, where the outside of the port is as soon as a peer has seen it. */
export function offerPunchAddresses(
  libp2p: Libp2p,
  { port }: PunchPort,
  observed: ObservedAddresses,
  addressManager: AddressManager,
): { isPunch(address: Multiaddr): boolean } {
  const offered = new Set<string>()
  libp2p.addEventListener('peer:identify', () => {
    if (observed.reachability() !== 'nat') return
    for (const { observedHost, observedPort, localPort } of observed.list()) {
      if (localPort !== port || isPrivateHost(observedHost)) continue
      const address = multiaddr(
        `/ip${observedHost.includes(':') ? 6 : 4}/${observedHost}/tcp/${observedPort}`,
      )
      offered.add(address.toString())
      addressManager.addObservedAddr(address)
      addressManager.confirmObservedAddr(address, { type: 'observed' })
    }
  })
  return {
    isPunch: (address) => offered.has(address.toString().replace(/\/p2p\/[^/]+$/, '')),
  }
}

export interface AddressManager {
  addObservedAddr(address: Multiaddr): void
  confirmObservedAddr(address: Multiaddr, options: { type: 'observed' | 'transport' }): void
}
