import type { Verdict } from './errors.ts'
import type { CidText, WorkerId } from './ids.ts'

/** Milliseconds since the epoch. The core never reads a clock itself: it is given `now`. */
export interface Clock {
  now(): number
}

/** Bytes that crossed this node's sockets, everything included: encryption, framing, gossip, blocks. */
export interface Traffic {
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface GossipMessage {
  /** The author, proven by the message's signature; not merely who relayed it. */
  readonly author: WorkerId
  readonly data: Uint8Array
}

/** Anything that can give the bytes of a CID, or say that it has none. */
export interface BlockSource {
  get(cid: CidText, signal?: AbortSignal): Promise<Uint8Array | undefined>
}

/** A place for blocks: content-addressed, so that writing twice is harmless. */
export interface BlockStore extends BlockSource {
  /** Resolves once the bytes are durable. */
  put(cid: CidText, bytes: Uint8Array): Promise<void>
  has(cid: CidText): Promise<boolean>
  delete(cid: CidText): Promise<void>
}

export interface FetchBlockOptions {
  readonly signal: AbortSignal
  /** A longer block is refused as soon as its length is known, before its bytes are read. */
  readonly maxBytes: number
}

/** The network as the head and the workers see it (`network/node.ts` is libp2p, a simulation can be another). */
export interface Network {
  readonly self: WorkerId
  /** Addresses others can dial, each ending in `/p2p/<self>`. */
  addresses(): readonly string[]
  /** Dials one address; resolves to the peer that answered. */
  dial(address: string, signal: AbortSignal): Promise<WorkerId>
  connectedPeers(): readonly WorkerId[]
  /** Called when the last connection to a peer is gone. Returns an unsubscribe function. */
  onDisconnect(listener: (peer: WorkerId) => void): () => void

  /** Joins a topic. `judge` decides, for every message, whether it is relayed; only `accept` reaches `listener`. */
  subscribe(
    topic: string,
    judge: (message: GossipMessage) => Verdict,
    listener: (message: GossipMessage) => void,
  ): Promise<void>
  unsubscribe(topic: string): void
  /** Publishes to a topic that this node has joined. Messages over the gossip limit are refused with an error. */
  publish(topic: string, data: Uint8Array): Promise<void>

  /** One request, one answer, over a stream of its own; for joins and heartbeats. Small messages only. */
  request(peer: WorkerId, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  handleRequests(handler: (peer: WorkerId, payload: Uint8Array) => Promise<Uint8Array>): void

  /** Fetches a block from any of `peers`, in order of preference, verified against its CID. */
  fetchBlock(peers: readonly WorkerId[], cid: CidText, options: FetchBlockOptions): Promise<Uint8Array>
  serveBlocks(source: BlockSource): void

  /** Signs with this node's key; anyone can verify against its peer id. */
  sign(bytes: Uint8Array): Promise<Uint8Array>
  verify(signer: WorkerId, bytes: Uint8Array, signature: Uint8Array): Promise<boolean>

  traffic(): Traffic
  stop(): Promise<void>
}
