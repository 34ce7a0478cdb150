import { MurmurError } from '../protocol/errors.ts'
import type { CidText, WorkerId } from '../protocol/ids.ts'
import { maxProgramBytes } from '../protocol/limits.ts'
import type { BlockStore, Network } from '../protocol/ports.ts'

/** Peers are asked this long for a block: less than a client waits for the answer. */
const fetchTimeoutMs = 20_000

/** Blocks that are asked for at a time: runs fetch contributions from the same peers, each of which gives few at once. */
const mostFetches = 2

/**
 * A store that also gives what a connected peer has: blocks that a run file names by their CID need not lie on the head.
 * They are checked against their CID and not kept, and only few are asked for at a time, each once however many want it: whoever
 * may read makes nothing grow and nobody wait. Throws BLOCKS_BUSY beyond that.
 */
export const reachableBlocks = (
  own: BlockStore,
  network: Pick<Network, 'connectedPeers' | 'fetchBlock'>,
): BlockStore => {
  const fetches = new Map<CidText, Promise<Uint8Array | undefined>>()

  function fetched(cid: CidText, peers: readonly WorkerId[]): Promise<Uint8Array | undefined> {
    const underWay = fetches.get(cid)
    if (underWay !== undefined) return underWay
    if (fetches.size >= mostFetches) {
      throw new MurmurError('BLOCKS_BUSY', {
        message: `${mostFetches} blocks are being asked of peers already`,
        next: 'ask again in some seconds',
      })
    }
    const options = { signal: AbortSignal.timeout(fetchTimeoutMs), maxBytes: maxProgramBytes }
    const fetch = network
      .fetchBlock(peers, cid, options)
      // Whatever each of them did, it is not to be had.
      .catch(() => undefined)
      .finally(() => fetches.delete(cid))
    fetches.set(cid, fetch)
    return fetch
  }

  return {
    ...own,
    get: async (cid) => {
      const here = await own.get(cid)
      const peers = network.connectedPeers()
      return here !== undefined || peers.length === 0 ? here : await fetched(cid, peers)
    },
  }
}
