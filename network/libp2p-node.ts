import type { CircuitRelayService } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Listener, Metrics } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import { parseAddress, parseListenAddress } from './addresses.ts'
import type { Gossip } from './gossip.ts'
import type { NodeKey } from './identity.ts'
import { inboundGate } from './inbound-gate.ts'
import { networkLimits } from './limits.ts'
import { type AddressManager, findPunchPort, type PunchPort } from './punching.ts'
import { freePlacesOfTheGone, type RelayOptions, relayService } from './relay.ts'
import { type RelayClientComponents, type RelayPlaces, relayPlaces } from './reservations.ts'
import { nodeTransports } from './transports.ts'

export interface Libp2pNodeOptions {
  readonly privateKey: NodeKey
  readonly listen: readonly string[]
  readonly announce?: readonly string[]
  readonly agent?: string
  readonly relay?: RelayOptions
  readonly reserveAt?: readonly string[]
}

export interface StartedLibp2p {
  readonly libp2p: Libp2p<{ gossip: GossipSub }>
  readonly places: RelayPlaces
  readonly addressManager: AddressManager
  /** For a node that may be behind a NAT. */
  readonly punch: PunchPort | undefined
}

/** Starts libp2p with everything that the network stands on. Throws as `createNetwork`. */
export async function startLibp2p(
  { privateKey, listen, announce = [], agent = 'murmuration', relay, reserveAt = [] }: Libp2pNodeOptions,
  gossip: Gossip,
  metrics: Metrics,
): Promise<StartedLibp2p> {
  for (const address of listen) parseListenAddress(address)
  for (const address of announce) parseAddress(address)
  const punch = reserveAt.length === 0 ? undefined : await findPunchPort()
  let parts: Parts | undefined
  const libp2p = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: [...listen], announce: [...announce] },
    nodeInfo: { userAgent: agent },
    transports: await nodeTransports(listen, punch),
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    metrics: () => metrics,
    // libp2p refuses to dial private addresses in some builds; a cluster on one host or LAN has no others.
    connectionGater: { ...inboundGate(), denyDialMultiaddr: () => false },
    connectionManager: {
      maxConnections: networkLimits.connections,
      inboundConnectionThreshold: networkLimits.connectionsPerHostPerSecond,
      maxIncomingPendingConnections: networkLimits.pendingConnections,
      dialTimeout: networkLimits.dialTimeoutMs,
      reconnectRetries: 0,
    },
    connectionMonitor: {
      pingInterval: networkLimits.pingIntervalMs,
      pingTimeout: {
        minTimeout: networkLimits.pingTimeoutMs,
        maxTimeout: 2 * networkLimits.pingTimeoutMs,
      },
    },
    services: {
      identify: identify(),
      gossip: gossip.service,
      dcutr: dcutr({ retries: networkLimits.punchAttempts, timeout: networkLimits.punchMs }),
      // Services are the only ones that libp2p hands its parts to.
      parts: (given: Parts) => {
        parts = given
        trustOwnAddresses(given)
        return {}
      },
      ...(relay?.serve === true ? { relay: relayService(relay) } : {}),
    },
  })
  const { relay: serving } = libp2p.services as { relay?: CircuitRelayService }
  if (serving !== undefined) freePlacesOfTheGone(libp2p, serving)
  try {
    await libp2p.start()
    return { libp2p, places: relayPlaces(parts!), addressManager: parts!.addressManager, punch }
  } catch (cause) {
    await libp2p.stop()
    throw isMurmurError(cause) ? cause : listenError(listen, cause)
  }
}

interface Parts extends RelayClientComponents {
  readonly events: EventTarget
  readonly addressManager: AddressManager
}

/**
 * libp2p tells nobody of a public address that it listens on until AutoNAT has confirmed it. An interface that has that
 * address is evidence enough: a NAT would show us a private one.
 */
function trustOwnAddresses({ events, addressManager }: Parts): void {
  events.addEventListener('transport:listening', (event) => {
    const { detail: listener } = event as CustomEvent<Listener>
    for (const address of listener.getAddrs())
      addressManager.confirmObservedAddr(address, { type: 'transport' })
  })
}

function listenError(listen: readonly string[], cause: unknown): MurmurError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const port = /EADDRINUSE[^\n]*:(\d+)/.exec(text)?.[1]
  if (port !== undefined)
    return new MurmurError('PORT_IN_USE', {
      message: `port ${port} is in use by another program`,
      next: 'stop that program, or listen on another port (0 takes any free one)',
      details: { port: Number(port) },
      cause,
    })
  return new MurmurError('LISTEN_FAILED', {
    // libp2p's text holds the stacks of all its causes: what the system said is its only line of use.
    message: `cannot listen on ${listen.join(', ')}: ${/\b(E[A-Z]+): [^\n]*/.exec(text)?.[0] ?? text.split('\n')[0]}`,
    next: 'listen on an address of this host, such as /ip4/0.0.0.0/tcp/4101',
    cause,
  })
}
