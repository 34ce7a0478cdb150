/** Bounds on what is taken from outside. Each says where its number comes from. */

/** Gossip carries only small things (docs/protocol.md, "Gossip"): a reveal or manifest of 64 members fits. */
export const maxGossipBytes = 16 * 1024

/** A join, a heartbeat or its answer: an assignment with two addresses of each of 33 peers fits. */
export const maxRequestBytes = 64 * 1024

/** Members of one round: with them, a manifest of rounds of up to six segments is within the gossip bound. */
export const maxMembers = 32

/** A signed manifest travels inside a gossip message, whose own fields take less than the difference. */
export const maxManifestBytes = maxGossipBytes - 128

/**
 * Most bytes that the signed manifest of a round takes. A member is named (55 bytes with its frame) and has an entry:
 * its name again, 36 bytes of CID, three numbers, their tags and frames (at most 120), and 34 bytes for each leaf of
 * its trace, three of which are not segments. The rest of the manifest and its signature are below 512.
 */
export function manifestBytes(members: number, segments: number): number {
  return 512 + members * (55 + 120 + 34 * (segments + 3))
}

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
