import { maxProgramBytes } from '../protocol/limits.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'

/** Peers are asked this long for a block: less than a client waits for the answer. */
const fetchTimeoutMs = 20_000

/**
 * A store that also gives what a connected peer has: blocks that a run file names by their CID need not lie on the head.
 * They are checked against their CID and not kept, so that whoever may read makes nothing grow.
 */
export const reachableBlocks = (
  own: BlockStore,
  network: Pick<Network, 'connectedPeers' | 'fetchBlock'>,
): BlockStore => ({
  ...own,
  get: async (cid) => {
    const here = await own.get(cid)
    const peers = network.connectedPeers()
    if (here !== undefined || peers.length === 0) return here
    const options = { signal: AbortSignal.timeout(fetchTimeoutMs), maxBytes: maxProgramBytes }
    // Whatever each of them did, it is not to be had.
    return await network.fetchBlock(peers, cid, options).catch(() => undefined)
  },
})
