import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import type { BlockSource, Clock, Network } from '../protocol/ports.ts'
import { parseAddress } from './addresses.ts'
import { answerWants, fetchBlock } from './blocks.ts'
import { dialAddress } from './dial.ts'
import { createGossip, type Gossip } from './gossip.ts'
import type { NodeKey } from './identity.ts'
import { defaultPatience, networkLimits, type Patience } from './limits.ts'
import { protocols } from './protocols.ts'
import { answerRequest, type RequestHandler, sendRequest } from './requests.ts'
import { signBytes, verifySignature } from './signing.ts'
import { createTrafficMeter } from './traffic.ts'
import { createTurnstile, type Turnstile } from './turnstile.ts'

export interface NetworkOptions {
  readonly privateKey: NodeKey
  /** Multiaddrs to listen on, as `/ip4/0.0.0.0/tcp/4101`; none for a node that only dials out. */
  readonly listen: readonly string[]
  /** Addresses to tell others instead of the local ones, for a host behind a forwarded port. */
  readonly announce?: readonly string[]
  /** What peers see in `identify`. */
  readonly agent?: string
  readonly patience?: Partial<Patience>
}

export interface NetworkDependencies {
  readonly clock: Clock
  /** Told of what is a fault of ours and not of a peer: a judge, handler or store that throws. */
  readonly onFault: (fault: unknown) => void
}

/** The libp2p network: the port's functions, and what only a real network has. */
export interface Libp2pNetwork extends Network, AsyncDisposable {
  /** The libp2p node itself, for services that ride on it (bitswap). Its life is the network's. */
  readonly libp2p: Libp2p
  topicPeers(topic: string): readonly WorkerId[]
  /** Resolves when `peer` is known to have joined the topic; what is published before may not reach it. */
  waitForTopicPeer(topic: string, peer: WorkerId, signal: AbortSignal): Promise<void>
}

/**
 * Starts a node: TCP, noise, yamux, identify, gossipsub and our two stream protocols. It dials only what `dial` is
 * told to. Throws ADDRESS_INVALID, PORT_IN_USE, LISTEN_FAILED.
 */
export async function createNetwork(
  options: NetworkOptions,
  { clock, onFault }: NetworkDependencies,
): Promise<Libp2pNetwork> {
  const patience: Patience = { ...defaultPatience, ...options.patience }
  const meter = createTrafficMeter()
  const gossip = createGossip({ clock, onFault })
  const libp2p = await startLibp2p(options, gossip, meter.metrics)
  const self = workerId(libp2p.peerId.toString())

  const stopping = new AbortController()
  const answers = createTurnstile(networkLimits.blockAnswers)
  const fetches = new Map<WorkerId, Turnstile>()
  const disconnectListeners = new Set<(peer: WorkerId) => void>()
  let requestHandler: RequestHandler | undefined
  let blockSource: BlockSource | undefined

  const placesAt = (peer: WorkerId): Turnstile => {
    let places = fetches.get(peer)
    if (places === undefined) {
      places = createTurnstile(networkLimits.blockFetchesPerPeer)
      fetches.set(peer, places)
    }
    return places
  }

  libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    const peer = workerId(detail.toString())
    fetches.delete(peer)
    for (const listener of disconnectListeners) listener(peer)
  })
  await libp2p.handle(
    protocols.requests,
    (stream, connection) => answerRequest(stream, connection, requestHandler, patience, onFault),
    { maxInboundStreams: networkLimits.requestStreamsPerPeer },
  )
  await libp2p.handle(
    protocols.blocks,
    (stream) => answerWants(stream, blockSource, answers, patience, stopping.signal, onFault),
    { maxInboundStreams: networkLimits.blockStreamsPerPeer },
  )

  const stop = async (): Promise<void> => {
    // Peers that go because this node goes are no news.
    disconnectListeners.clear()
    stopping.abort(new Error('this node is stopping'))
    await libp2p.stop()
  }

  return {
    libp2p,
    self,
    addresses: () => libp2p.getMultiaddrs().map(String),
    dial: (address, signal) => dialAddress(libp2p, address, AbortSignal.any([signal, stopping.signal])),
    connectedPeers: () => libp2p.getPeers().map((peer) => workerId(peer.toString())),
    onDisconnect(listener) {
      disconnectListeners.add(listener)
      return () => disconnectListeners.delete(listener)
    },
    subscribe: async (topic, judge, listener) => gossip.subscribe(topic, judge, listener),
    unsubscribe: (topic) => gossip.unsubscribe(topic),
    publish: (topic, data) => gossip.publish(topic, data),
    topicPeers: (topic) => gossip.topicPeers(topic),
    waitForTopicPeer: (topic, peer, signal) => gossip.waitForTopicPeer(topic, peer, signal),
    request: (peer, payload, signal) =>
      sendRequest(libp2p, peer, payload, AbortSignal.any([signal, stopping.signal]), patience),
    handleRequests(handler) {
      requestHandler = handler
    },
    fetchBlock: (peers, cid, fetchOptions) =>
      fetchBlock(
        libp2p,
        peers,
        cid,
        { ...fetchOptions, signal: AbortSignal.any([fetchOptions.signal, stopping.signal]) },
        patience,
        placesAt,
      ),
    serveBlocks(source) {
      blockSource = source
    },
    sign: (bytes) => signBytes(options.privateKey, bytes),
    verify: verifySignature,
    traffic: () => meter.read(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function startLibp2p(
  { privateKey, listen, announce = [], agent = 'murmuration' }: NetworkOptions,
  gossip: Gossip,
  metrics: ReturnType<typeof createTrafficMeter>['metrics'],
): Promise<Libp2p<{ gossip: GossipSub }>> {
  for (const address of [...listen, ...announce]) parseAddress(address)
  const libp2p = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: [...listen], announce: [...announce] },
    nodeInfo: { userAgent: agent },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: networkLimits.socketSilenceMs,
        outboundSocketInactivityTimeout: networkLimits.socketSilenceMs,
      }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    metrics: () => metrics,
    // libp2p refuses to dial private addresses in some builds; a cluster on one host or LAN has no others.
    connectionGater: { denyDialMultiaddr: () => false },
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
    services: { identify: identify(), gossip: gossip.service },
  })
  try {
    await libp2p.start()
    return libp2p
  } catch (cause) {
    await libp2p.stop()
    throw listenError(listen, cause)
  }
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
