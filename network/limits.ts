import { maxGossipBytes, maxMembers, maxRequestBytes } from '../protocol/limits.ts'

/** Every bound of the network room, each with the reason for its number. */
export const networkLimits = {
  /** The protocol's own bounds, shared with those who build the messages. */
  gossipBytes: maxGossipBytes,
  requestBytes: maxRequestBytes,

  /**
   * One gossip RPC. libp2p batches whole messages into an RPC, and drops one over 4 MiB while `publish` resolves
   * (measured); so 4 MiB, and as many messages as fit into it at their full size.
   */
  gossipRpcBytes: 4 * 1024 * 1024,
  gossipRpcMessages: (4 * 1024 * 1024) / maxGossipBytes,
  /** Ids offered or asked in one RPC: the messages of five heartbeats, from every member at the author's rate. */
  gossipRpcMessageIds: 2048,
  /** Control entries, subscriptions, and peers offered in one RPC: a node is in a handful of runs. */
  gossipRpcControls: 128,
  gossipRpcSubscriptions: 64,
  gossipRpcPeers: 16,
  /** What one peer's topics may cost us (1 KiB an entry in libp2p's account): 64 runs. */
  gossipTopicBytesPerPeer: 64 * 1024,
  /**
   * What one author may have accepted: a worker sends about five messages a round and a head four, so that a burst
   * of 64 is several rounds at once (a head that replays after a restart), and 16 a second is sixteen times what a
   * one-second round needs.
   */
  authorBurstMessages: 64,
  authorMessagesPerSecond: 16,
  /** Authors remembered by the rate limit: 32 times the members of a run; the longest silent is forgotten. */
  authors: 32 * maxMembers,
  /** 1 KiB is where announcing a duplicate costs less than receiving it (libp2p's default is 512). */
  gossipDontWantBytes: 1024,

  /** A connection with nothing on it, and no ping answered, for this long is dead (pings go every 10 s). */
  socketSilenceMs: 120_000,
  pingIntervalMs: 10_000,
  /** A worker's event loop may stand still for seconds while it folds an update; only then is silence death. */
  pingTimeoutMs: 30_000,
  /** Dialling across the world takes under a second; a loaded host's handshake some more. */
  dialTimeoutMs: 10_000,
  /** Whole clusters live on one host, so that all members may arrive from one address in the same second. */
  connectionsPerHostPerSecond: 8 * maxMembers,
  pendingConnections: 4 * maxMembers,
  connections: 16 * maxMembers,

  /** Streams of one kind that one peer may have open here; our own requester stays at half. */
  requestStreamsPerPeer: 16,
  blockStreamsPerPeer: 8,
  blockFetchesPerPeer: 4,
  /** Blocks being sent at once, by whatever number of peers: bounds the blocks held in memory. Others wait in line. */
  blockAnswers: 2 * maxMembers,
  /** CIDs in one want list: the contributions of a round. */
  wants: maxMembers,
  /** Bytes handed to the stream at once; under 64 KiB a send the throughput falls (measured, docs/decisions). */
  frameBytes: 256 * 1024,
  /** Unread bytes held for a stream before its sender is told to stop; yamux aborts a stream at 4 MiB. */
  unreadBytes: 1024 * 1024,

  /** No byte for this long ends a stream: several lost packets' worth of TCP retransmission. */
  idleMs: 20_000,
  /** A stream that crawls is cut too: this long for any block, and then at least this fast (half a 1 Mbit/s line). */
  blockBaseMs: 60_000,
  blockBytesPerSecond: 64 * 1024,
  /** A question and its answer, handler included. */
  requestMs: 30_000,
  /** How long a closed stream may wait for the other side to close too. */
  closeMs: 5_000,
  /** How long to wait for `identify` when explaining a protocol mismatch. */
  identifyMs: 2_000,
} as const

/** The time bounds that a node may be given others of; each has its meaning in {@link networkLimits}. */
export interface Patience {
  readonly idleMs: number
  readonly blockBaseMs: number
  readonly requestMs: number
}

export const defaultPatience: Patience = {
  idleMs: networkLimits.idleMs,
  blockBaseMs: networkLimits.blockBaseMs,
  requestMs: networkLimits.requestMs,
}
