import { maxGossipBytes, maxMembers, maxPeersTold, maxRequestBytes } from '../protocol/limits.ts'

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
  /**
   * What of an author is dropped above that before it is scored down: eight bursts, and four times the rate. A tiny run's
   * head may say forty messages a second, and a node that stood still for ten seconds hears them all at once.
   */
  authorExcessMessages: 512,
  authorExcessMessagesPerSecond: 64,
  /** Authors remembered by the rate limit: four times the members of a run; the longest silent is forgotten. */
  authors: 4 * maxMembers,
  /** How often one peer's nuisance is told: a flood must not become a flood of log lines. */
  nuisancesPerSecond: 1 / 60,
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
  connectionsPerHostPerSecond: 256,
  /** Handshakes under way at once: each is a few KiB and a signature. */
  pendingConnections: 256,
  /** Half of these, so that one host cannot take all; who is refused tries again. */
  pendingConnectionsPerHost: 128,
  /** A head is connected to every member, and for a while to as many that leave and come. */
  connections: 2 * maxMembers,

  /**
   * What one peer may ask a head: a worker's heartbeats come twice a second at most, a join or two beside them. A burst
   * is half a minute of them at once, from a worker whose line stood still; the rate is eight times theirs.
   */
  askerBurstRequests: 64,
  askerRequestsPerSecond: 16,
  /** Streams of one kind that one peer may have open here; our own requester stays at half. */
  requestStreamsPerPeer: 16,
  blockStreamsPerPeer: 8,
  blockFetchesPerPeer: 4,
  /** Blocks being sent at once, by whatever number of peers: bounds the blocks held in memory. Others wait in line. */
  blockAnswers: 64,
  /** CIDs in one want list; our own asker asks for one. */
  wants: 32,
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
  /**
   * Relaying for others. Places: every member of a full run may be behind a NAT. A place is renewed five minutes before its
   * hour is over. A relayed connection may carry one state block of the largest size (and no more: 2³¹ bytes and
   * above are garbled by libp2p's encoding of the limit, measured), and live for a long round.
   */
  relayReservations: maxMembers,
  relayReservationMs: 3_600_000,
  relayedBytes: 2 ** 31 - 1,
  relayedMs: 2 * 3_600_000,
  /** Relayed connections that one peer may ask for, or get through us, at once: to every peer it is told of, twice. */
  relayStreamsPerPeer: 2 * maxPeersTold,
  /** Relayed connections that come in to this node through all relays together. */
  relayedConnections: 4 * maxPeersTold,
  /** Hole punching: tries, each this long, before a relayed connection stays one (go-libp2p's numbers). */
  punchAttempts: 3,
  punchMs: 5_000,
  /** What is under way on a relayed connection may take this long to end after a direct one was made. */
  handoverMs: 600_000,
  /** Until both sides know of the direct connection: a second is several round trips. */
  handoverGraceMs: 1_000,
  /** Asking a relay for a place again: from one second, up to half a minute. */
  reserveFirstMs: 1_000,
  reserveMaxMs: 30_000,
  /** Looking for a first peer: as above, up to a minute; each address gets this long. */
  bootstrapFirstMs: 1_000,
  bootstrapMaxMs: 60_000,
  bootstrapDialMs: 5_000,

  /** Peers remembered on disk, and addresses of each: as many as one is told of; its file stays under 256 KiB. */
  cachedPeers: maxPeersTold,
  cachedAddressesPerPeer: 4,
  cacheFileBytes: 256 * 1024,

  /** The slowest upload limit that can be asked for: what a block must cross with anyway. */
  uploadFloorBytesPerSecond: 64 * 1024,
  /** With an upload limit, a frame is an eighth of a second's worth, within these and `frameBytes`. */
  uploadFrameFloorBytes: 16 * 1024,

  /** A measurement of a connection: each way at most, echoes, in all, and how often one peer may ask for it. */
  probeBytes: 4 * 1024 * 1024,
  probeEchoes: 16,
  probeMs: 30_000,
  probeStreamsPerPeer: 2,
  probeBurst: 3,
  probesPerSecond: 1 / 60,
  /** Probes answered at once, whoever asks: more would measure each other. */
  probeAnswers: 2,

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
