/** Bounds on what is taken from outside. Each says where its number comes from. */

/** Gossip carries only small things (docs/protocol.md, "Gossip"): a reveal, or the manifest of 32 members. */
export const maxGossipBytes = 16 * 1024

/** A join, a heartbeat or its answer: an assignment with two addresses of each of 64 peers fits. */
export const maxRequestBytes = 64 * 1024

/** Members of one round. Their contributions are gathered by all, so more would cost each more than a dense ring. */
export const maxMembers = 1024

/** Members whose addresses one worker is told: a mesh needs a dozen; twice 32 leave room for those that are unreachable. */
export const maxPeersTold = 64

/** A head's message to all that is longer than gossip carries: the manifest of 1,024 members with 16 segments takes 850 KiB. */
export const maxAnnouncementBytes = 1024 * 1024

/** Heads of one cluster: the one that leads, and those who may take over. Terms are dealt out by this number. */
export const maxHeads = 8

/** Log records that the leader tells a standby at once take at most this, less frames. */
export const maxAppendBytes = 32 * 1024

/** Inner steps of one worker in one round: a batch's place holds the step in 16 bits. */
export const maxStepsPerRound = 65_535

/** Leaves of one round's trace: local state, up to 16 segment boundaries, the contribution, the local state after. */
export const maxTraceLeaves = 20

/** Tokens one worker can claim for one round: 2³¹, far above 1,024 steps of any batch that fits in memory here. */
export const maxTokensPerRound = 2 ** 31 - 1

/** A run spec, data manifest or payout tree block: thousands of shards or accounts. */
export const maxMetadataBlockBytes = 4 * 1024 * 1024

/** A training program without its weights: the four-layer GPT's is 120 KiB; hundreds of layers fit. */
export const maxProgramBytes = 16 * 1024 * 1024

/** A data shard: as many tokens as `worker/data/shards.ts` ever writes into one. */
export const maxShardBytes = 16 * 1024 * 1024

/** One worker's local state or one contribution may be at most this: 256 M parameters in bf16, three vectors. */
export const maxStateBlockBytes = 1536 * 1024 * 1024

/** What a worker that has joined sends and receives once to measure its line: small beside a run's few megabytes. */
export const lineProbeBytes = 128 * 1024
