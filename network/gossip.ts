import {
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  gossipsub,
  type Message,
  StrictSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { invariant, MurmurError, type Verdict } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import type { Clock, GossipMessage } from '../protocol/ports.ts'
import { networkLimits } from './limits.ts'
import { bestConnection } from './protocols.ts'
import { createTokenBuckets } from './token-bucket.ts'
import { type TopicScores, topicScores } from './topic-scores.ts'

export type Judge = (message: GossipMessage) => Verdict
export type Listener = (message: GossipMessage) => void

/** One node's topics over gossipsub 1.2: signed by the author, judged before it is relayed, bounded by author. */
export interface Gossip {
  /** The libp2p service; call once, when the node is built. */
  readonly service: (components: GossipSubComponents) => GossipSub
  /** Once libp2p is there: keeps gossip flowing to a peer when one of several connections to it closes. */
  follow(libp2p: Libp2p): void
  subscribe(topic: string, judge: Judge, listener: Listener): void
  unsubscribe(topic: string): void
  publish(topic: string, data: Uint8Array): Promise<void>
  /** gossipsub's score of a peer: 0 for a good one, below −80 it is not read. */
  scoreOf(peer: WorkerId): number
  /** Peers known to have joined the topic. */
  topicPeers(topic: string): readonly WorkerId[]
  /** Resolves when `peer` is known to have joined the topic; what is published before may not reach it. */
  waitForTopicPeer(topic: string, peer: WorkerId, signal: AbortSignal): Promise<void>
}

export interface GossipDependencies {
  readonly clock: Clock
  /** Told of a judge that throws. */
  readonly onFault: (fault: unknown) => void
  /** Told, once a minute for each, of peers that cost more than they should. */
  readonly onNuisance: (nuisance: Nuisance) => void
}

/** A peer whose messages were refused: as no message of this protocol, or for their number; or its requests were. */
export interface Nuisance {
  readonly peer: WorkerId
  readonly kind: 'rejected' | 'flood' | 'requests'
}

export function createGossip({ clock, onFault, onNuisance }: GossipDependencies): Gossip {
  const joined = new Map<string, Listener>()
  const authors = createTokenBuckets(
    {
      burst: networkLimits.authorBurstMessages,
      perSecond: networkLimits.authorMessagesPerSecond,
      names: networkLimits.authors,
    },
    clock,
  )
  /** Messages above its rate that an author may send itself before it is scored down. */
  const excess = createTokenBuckets(
    {
      burst: networkLimits.authorExcessMessages,
      perSecond: networkLimits.authorExcessMessagesPerSecond,
      names: networkLimits.authors,
    },
    clock,
  )
  const reports = createTokenBuckets(
    { burst: 1, perSecond: networkLimits.nuisancesPerSecond, names: networkLimits.authors },
    clock,
  )
  const report = (peer: string, kind: Nuisance['kind']): void => {
    if (reports.take(`${kind} ${peer}`)) onNuisance({ peer: workerId(peer), kind })
  }
  let router: GossipSub | undefined
  let scores: TopicScores | undefined
  const running = (): GossipSub => {
    invariant(router !== undefined, 'gossip is used before its node is built')
    return router
  }

  const judged = (relayer: string, judge: Judge, message: Message): TopicValidatorResult => {
    if (message.type !== 'signed' || message.data.length > networkLimits.gossipBytes) {
      report(relayer, 'rejected')
      return TopicValidatorResult.Reject
    }
    const author = message.from.toString()
    // Asked before the judge, so that a flood costs no judging; taken only after it, so that old messages of an
    // author that somebody plays again cost the author nothing. Ignore, not Reject: the relayer is not to blame,
    // unless it is the author and goes on: then it is scored down, and what it sends is not even decoded.
    if (!authors.has(author)) {
      report(author, 'flood')
      return relayer === author && !excess.take(author)
        ? TopicValidatorResult.Reject
        : TopicValidatorResult.Ignore
    }
    let verdict: Verdict
    try {
      verdict = judge({ author: workerId(author), data: message.data })
    } catch (fault) {
      onFault(fault)
      return TopicValidatorResult.Ignore
    }
    // What is ignored costs as much to judge; but only its author's own sending of it is its author's doing.
    if (verdict === 'accept' || (verdict === 'ignore' && relayer === author)) authors.take(author)
    if (verdict === 'accept') return TopicValidatorResult.Accept
    if (verdict === 'reject') report(author, 'rejected')
    // A relay may know less than this node and mean well: only an author pays for what it says.
    return verdict === 'reject' && relayer === author
      ? TopicValidatorResult.Reject
      : TopicValidatorResult.Ignore
  }

  return {
    service(components) {
      const options = gossipOptions((topic) => joined.has(topic))
      router = gossipsub(options)(components)
      scores = topicScores(router)
      router.addEventListener('gossipsub:message', ({ detail: { msg } }) => {
        if (msg.type === 'signed')
          joined.get(msg.topic)?.({ author: workerId(msg.from.toString()), data: msg.data })
      })
      return router
    },
    follow(libp2p) {
      const { onPeerConnected, streamsOutbound } = running() as unknown as RouterInsides
      invariant(
        onPeerConnected !== undefined && streamsOutbound !== undefined,
        'gossipsub connects otherwise',
      )
      libp2p.addEventListener('connection:close', ({ detail: { remotePeer } }: CustomEvent<Connection>) => {
        // A relayed connection closes when hole punching made a direct one; the stream that gossip had on it goes too,
        // and gossipsub makes one only when a peer connects.
        setImmediate(() => {
          const left = bestConnection(libp2p, remotePeer)
          if (left !== undefined && !streamsOutbound.has(remotePeer.toString()))
            onPeerConnected.call(router, remotePeer, left)
        })
      })
    },
    subscribe(topic, judge, listener) {
      if (joined.has(topic))
        throw new MurmurError('TOPIC_JOINED', {
          message: `this node has already joined ${topic}`,
          next: 'unsubscribe first, or share the one subscription',
        })
      joined.set(topic, listener)
      scores?.add(topic)
      running().topicValidators.set(topic, (relayer, message) => judged(relayer.toString(), judge, message))
      running().subscribe(topic)
    },
    unsubscribe(topic) {
      if (!joined.delete(topic)) return
      running().unsubscribe(topic)
      running().topicValidators.delete(topic)
      scores?.remove(topic)
    },
    async publish(topic, data) {
      if (data.length > networkLimits.gossipBytes)
        throw new MurmurError('GOSSIP_TOO_LONG', {
          message: `a message of ${data.length} bytes is over the bound of ${networkLimits.gossipBytes}`,
          next: 'store it as a block and publish its CID',
          details: { length: data.length, bound: networkLimits.gossipBytes },
        })
      if (!joined.has(topic))
        throw new MurmurError('TOPIC_NOT_JOINED', {
          message: `this node has not joined ${topic}`,
          next: 'subscribe to it before publishing',
        })
      await running().publish(topic, data)
    },
    scoreOf: (peer) => scores?.of(peer) ?? 0,
    topicPeers: (topic) =>
      running()
        .getSubscribers(topic)
        .map((peer) => workerId(peer.toString())),
    async waitForTopicPeer(topic, peer, signal) {
      signal.throwIfAborted()
      const there = (): boolean =>
        running()
          .getSubscribers(topic)
          .some((known: PeerId) => known.toString() === peer)
      if (there()) return
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onChange = (): void => {
        if (there()) resolve()
      }
      const onAbort = (): void => reject(signal.reason)
      running().addEventListener('subscription-change', onChange)
      signal.addEventListener('abort', onAbort)
      try {
        await promise
      } finally {
        running().removeEventListener('subscription-change', onChange)
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

/** Private in gossipsub's class. */
interface RouterInsides {
  readonly onPeerConnected?: (peer: PeerId, connection: Connection) => void
  readonly streamsOutbound?: ReadonlyMap<string, unknown>
}

function gossipOptions(isJoined: (topic: string) => boolean): Partial<GossipsubOpts> {
  return {
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    emitSelf: false,
    // Own messages go to every peer of the topic, the mesh only relays: a young mesh loses none of them.
    floodPublish: true,
    allowPublishToZeroTopicPeers: true,
    // The coordinator tells members each other's addresses; gossip never makes this node dial.
    doPX: false,
    tagMeshPeers: false,
    runOnLimitedConnection: true,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    maxInboundDataLength: networkLimits.gossipRpcBytes,
    maxOutboundBufferSize: 4 * networkLimits.gossipRpcBytes,
    maxTopicBytesPerPeer: networkLimits.gossipTopicBytesPerPeer,
    idontwantMinDataSize: networkLimits.gossipDontWantBytes,
    decodeRpcLimits: {
      maxMessages: networkLimits.gossipRpcMessages,
      maxSubscriptions: networkLimits.gossipRpcSubscriptions,
      maxControlMessages: networkLimits.gossipRpcControls,
      maxIhaveMessageIDs: networkLimits.gossipRpcMessageIds,
      maxIwantMessageIDs: networkLimits.gossipRpcMessageIds,
      maxIdontwantMessageIDs: networkLimits.gossipRpcMessageIds,
      maxPeerInfos: networkLimits.gossipRpcPeers,
    },
    // `allowedTopics` is fixed at construction, and a subscription that it refuses is forgotten for good, even when
    // the topic is allowed later. So messages are refused here instead, before they are cached or relayed; what
    // foreign subscriptions may cost is bounded by maxTopicBytesPerPeer.
    dataTransform: {
      inboundTransform(topic, data) {
        if (!isJoined(topic)) throw new Error('not a topic of this node')
        return data
      },
      outboundTransform: (_topic, data) => data,
    },
    scoreParams: {
      // Whole clusters live behind one address.
      IPColocationFactorWeight: 0,
      // A peer that restarts grafts again within its backoff; six such in a few seconds are not a restart.
      behaviourPenaltyThreshold: 6,
    },
    // No score here is ever positive, so that opportunistic grafting looks for the merely unharmful.
    scoreThresholds: { opportunisticGraftThreshold: 0 },
  }
}
