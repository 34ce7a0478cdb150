import { randomInt } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { Libp2p } from 'libp2p'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import type { BlockSource, Clock, Network } from '../protocol/ports.ts'
import { byReach, parseAddress } from './addresses.ts'
import { answerWants, fetchBlock } from './blocks.ts'
import { dialAddress } from './dial.ts'
import { createGossip, type Nuisance } from './gossip.ts'
import { finishBeforeHandover } from './handover.ts'
import { type Libp2pNodeOptions, startLibp2p } from './libp2p-node.ts'
import { defaultPatience, networkLimits, type Patience } from './limits.ts'
import { observeAddresses } from './observed-addresses.ts'
import { createProbes, type LinkMeasurement, type ProbeOptions } from './probe.ts'
import { offerPunchAddresses } from './punching.ts'
import type { Observation, Reachability } from './reachability.ts'
import { answerRequest, type RequestHandler, sendRequest } from './requests.ts'
import { keepReservation, type ReservationProgress } from './reservations.ts'
import { signBytes, verifySignature } from './signing.ts'
import { createTrafficMeter } from './traffic.ts'
import { createTurnstile, type Turnstile } from './turnstile.ts'
import { createUploadPacer, unlimitedUpload } from './upload.ts'
import { protocolIds } from './versions.ts'

export interface NetworkOptions extends Libp2pNodeOptions {
  /**
   * Multiaddrs to listen on, as `/ip4/0.0.0.0/tcp/4101`, `/ip4/0.0.0.0/tcp/4102/ws` or
   * `/ip4/0.0.0.0/udp/4101/webrtc-direct`; none for a node that only dials out.
   */
  readonly listen: readonly string[]
  /** Addresses to tell others instead of the local ones, for a host behind a forwarded port. */
  readonly announce?: readonly string[]
  /** What peers see in `identify`. */
  readonly agent?: string
  /** Relays where this node asks to be reachable. They are dialled, and kept connected. */
  readonly reserveAt?: readonly string[]
  /** `behind-nat` (unless told): only when a relay sees an address of this node that none of its interfaces has. */
  readonly reserveWhen?: 'behind-nat' | 'always'
  /** Bound on what this node sends of blocks and probes, over all peers together; none unless told. */
  readonly maxUploadBytesPerSecond?: number
  readonly patience?: Partial<Patience>
}

export interface NetworkDependencies {
  readonly clock: Clock
  /** Told of what is a fault of ours and not of a peer: a judge, handler or store that throws. */
  readonly onFault: (fault: unknown) => void
  /** Told, once a minute for each, of peers whose gossip is refused or too much. */
  readonly onNuisance?: (nuisance: Nuisance) => void
  readonly onReservation?: (progress: ReservationProgress) => void
  /** How waiting is done, for the upload limit and between attempts; the system's timers unless told. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
  /** Uint32 draws for jitter. */
  readonly draw?: () => number
}

/** The libp2p network: the port's functions, and what only a real network has. */
export interface Libp2pNetwork extends Network, AsyncDisposable {
  /** The libp2p node itself, for services that ride on it (bitswap). Its life is the network's. */
  readonly libp2p: Libp2p
  topicPeers(topic: string): readonly WorkerId[]
  /** Resolves when `peer` is known to have joined the topic; what is published before may not reach it. */
  waitForTopicPeer(topic: string, peer: WorkerId, signal: AbortSignal): Promise<void>
  /** gossipsub's score of a peer: 0 for a good one, below −80 it is not read. */
  scoreOf(peer: WorkerId): number
  /** What peers say of where this node's connections come from. */
  observedAddresses(): readonly Observation[]
  reachability(): Reachability
  /** Round-trip time and bandwidth to a connected peer, measured now. */
  measure(peer: WorkerId, signal: AbortSignal, options?: ProbeOptions): Promise<LinkMeasurement>
}

/**
 * Starts a node: TCP, WebSocket, WebRTC-direct, relayed connections and hole punching, noise, yamux, identify,
 * gossipsub and our stream protocols. It dials only what `dial` and `reserveAt` tell it to, and a peer that it is connected to over a
 * relay, directly. Throws ADDRESS_INVALID, PORT_IN_USE, LISTEN_FAILED, WEBRTC_UNAVAILABLE, UPLOAD_LIMIT_TOO_LOW.
 */
export async function createNetwork(
  options: NetworkOptions,
  {
    clock,
    onFault,
    onNuisance = () => {},
    onReservation = () => {},
    sleep = systemSleep,
    draw = systemDraw,
  }: NetworkDependencies,
): Promise<Libp2pNetwork> {
  const { reserveAt = [], reserveWhen = 'behind-nat', maxUploadBytesPerSecond: maxUpload } = options
  for (const address of reserveAt) parseAddress(address)
  const patience: Patience = { ...defaultPatience, ...options.patience }
  const pacer = maxUpload === undefined ? unlimitedUpload : createUploadPacer(maxUpload, { clock, sleep })
  const meter = createTrafficMeter()
  const gossip = createGossip({ clock, onFault, onNuisance })
  const { libp2p, places, addressManager, punch } = await startLibp2p(options, gossip, meter.metrics)
  gossip.follow(libp2p)
  const observed = observeAddresses(libp2p, meter)
  const punching =
    punch === undefined ? undefined : offerPunchAddresses(libp2p, punch, observed, addressManager)
  const self = workerId(libp2p.peerId.toString())

  const stopping = new AbortController()
  finishBeforeHandover(libp2p, stopping.signal)
  const answers = createTurnstile(pacer.answers)
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
  const probes = createProbes(libp2p, { clock, pacer, stopping: stopping.signal })
  await libp2p.handle(
    [...protocolIds('requests')],
    (stream, connection) => answerRequest(stream, connection, requestHandler, patience, onFault),
    { maxInboundStreams: networkLimits.requestStreamsPerPeer, runOnLimitedConnection: true },
  )
  await libp2p.handle(
    [...protocolIds('blocks')],
    (stream) => answerWants(stream, blockSource, answers, pacer, patience, stopping.signal, onFault),
    { maxInboundStreams: networkLimits.blockStreamsPerPeer, runOnLimitedConnection: true },
  )
  await libp2p.handle([...protocolIds('probe')], probes.answer, {
    maxInboundStreams: networkLimits.probeStreamsPerPeer,
    runOnLimitedConnection: true,
  })

  const dial = (address: string, signal: AbortSignal): Promise<WorkerId> =>
    dialAddress(libp2p, address, AbortSignal.any([signal, stopping.signal]))
  const keeping = reserveAt.map((address) =>
    keepReservation(address, reserveWhen, stopping.signal, {
      ...{ libp2p, places, dial, observed, sleep, draw },
      onProgress: onReservation,
    }).catch(onFault),
  )

  const stop = async (): Promise<void> => {
    // Peers that go because this node goes are no news.
    disconnectListeners.clear()
    stopping.abort(new Error('this node is stopping'))
    await Promise.all(keeping)
    await libp2p.stop()
  }

  return {
    libp2p,
    self,
    addresses: () =>
      byReach(libp2p.getMultiaddrs().filter((address) => punching?.isPunch(address) !== true)).map(String),
    dial,
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
    scoreOf: (peer) => gossip.scoreOf(peer),
    observedAddresses: () => observed.list(),
    reachability: () => observed.reachability(),
    measure: (peer, signal, probeOptions) => probes.measure(peer, signal, probeOptions),
    traffic: () => meter.read(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const systemSleep = async (ms: number, signal: AbortSignal): Promise<void> =>
  sleepFor(ms, undefined, { signal })
const systemDraw = (): number => randomInt(2 ** 32)
