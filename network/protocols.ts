import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Libp2p } from 'libp2p'
import { MurmurError } from '../protocol/errors.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { networkLimits } from './limits.ts'
import { type Family, mismatchError, type PeerSoftware, protocolIds } from './versions.ts'

/** Our own stream protocols at their newest version. */
export const protocols = {
  requests: protocolIds('requests')[0]!,
  blocks: protocolIds('blocks')[0]!,
  probe: protocolIds('probe')[0]!,
} as const satisfies Record<Family, string>

/**
 * Opens a stream of the newest version that both sides speak, over the connection that there is, a direct one before
 * a relayed one; never dials. Throws PEER_ID_INVALID, PEER_DISCONNECTED, PROTOCOL_MISMATCH.
 */
export async function openStream(
  libp2p: Libp2p,
  peer: WorkerId,
  family: Family,
  signal: AbortSignal,
): Promise<Stream> {
  const peerId = parsePeer(peer)
  const connection = bestConnection(libp2p, peerId)
  if (connection === undefined)
    throw new MurmurError('PEER_DISCONNECTED', {
      message: `there is no connection to ${peer}`,
      next: 'dial one of its addresses first',
      exit: 'unreachable',
      details: { peer },
    })
  try {
    return await connection.newStream([...protocolIds(family)], { signal, runOnLimitedConnection: true })
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError')
      throw mismatchError(peer, family, await identified(libp2p, peerId, signal), undefined, cause)
    throw new MurmurError('PEER_DISCONNECTED', {
      message: `the connection to ${peer} did not give a stream: ${(cause as Error).message}`,
      next: 'dial it again',
      exit: 'unreachable',
      details: { peer },
      cause,
    })
  }
}

/** The open connection to use: one without limits when there is one. */
export function bestConnection(libp2p: Libp2p, peer: PeerId): Connection | undefined {
  const open = libp2p.getConnections(peer).filter(({ status }) => status === 'open')
  return open.find(({ limits }) => limits === undefined) ?? open[0]
}

/** The libp2p peer id of our text form. Throws PEER_ID_INVALID. */
export function parsePeer(peer: WorkerId): PeerId {
  try {
    return peerIdFromString(peer)
  } catch (cause) {
    throw new MurmurError('PEER_ID_INVALID', {
      message: `"${peer.slice(0, 80)}" is not a peer id`,
      next: 'take the part after /p2p/ of an address',
      exit: 'usage',
      cause,
    })
  }
}

/** What a peer told of itself; waits a moment when the connection is so young that it has not. */
async function identified(libp2p: Libp2p, peer: PeerId, signal: AbortSignal): Promise<PeerSoftware> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onIdentify = ({ detail }: CustomEvent<{ peerId: PeerId }>): void => {
    if (detail.peerId.equals(peer)) resolve()
  }
  const timer = setTimeout(resolve, networkLimits.identifyMs)
  const onAbort = (): void => resolve()
  libp2p.addEventListener('peer:identify', onIdentify)
  signal.addEventListener('abort', onAbort)
  try {
    const known = await identity(libp2p, peer)
    if (known !== undefined) return known
    await promise
    return (await identity(libp2p, peer)) ?? { protocols: [], agent: undefined }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    libp2p.removeEventListener('peer:identify', onIdentify)
  }
}

/** Undefined before `identify`: until then the peer store knows some protocols, but not all. */
async function identity(libp2p: Libp2p, peer: PeerId): Promise<PeerSoftware | undefined> {
  const record = await libp2p.peerStore.get(peer).catch(() => undefined)
  const agent = record?.metadata.get('AgentVersion')
  return record === undefined || agent === undefined
    ? undefined
    : { protocols: record.protocols, agent: new TextDecoder().decode(agent) }
}
