import type { PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Libp2p } from 'libp2p'
import { MurmurError } from '../protocol/errors.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { networkLimits } from './limits.ts'

/** Our own stream protocols. The number is the major version: peers with different ones do not speak. */
export const protocols = { requests: '/murmur/head/1', blocks: '/murmur/blocks/1' } as const

export type Protocol = (typeof protocols)[keyof typeof protocols]

/**
 * Opens a stream over the connection that there is; never dials.
 * Throws PEER_ID_INVALID, PEER_DISCONNECTED, PROTOCOL_MISMATCH.
 */
export async function openStream(
  libp2p: Libp2p,
  peer: WorkerId,
  protocol: Protocol,
  signal: AbortSignal,
): Promise<Stream> {
  const peerId = parsePeer(peer)
  const connection = libp2p.getConnections(peerId).find(({ status }) => status === 'open')
  if (connection === undefined)
    throw new MurmurError('PEER_DISCONNECTED', {
      message: `there is no connection to ${peer}`,
      next: 'dial one of its addresses first',
      exit: 'unreachable',
      details: { peer },
    })
  try {
    return await connection.newStream(protocol, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError')
      throw await mismatch(libp2p, peerId, protocol, signal, cause)
    throw new MurmurError('PEER_DISCONNECTED', {
      message: `the connection to ${peer} did not give a stream: ${(cause as Error).message}`,
      next: 'dial it again',
      exit: 'unreachable',
      details: { peer },
      cause,
    })
  }
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

async function mismatch(
  libp2p: Libp2p,
  peer: PeerId,
  protocol: Protocol,
  signal: AbortSignal,
  cause: Error,
): Promise<MurmurError> {
  const cut = protocol.lastIndexOf('/') + 1
  const [family, ours] = [protocol.slice(0, cut), Number(protocol.slice(cut))]
  const spoken = (await identified(libp2p, peer, signal))
    .filter((name) => name.startsWith(family))
    .map((name) => Number(name.slice(family.length)))
    .filter((version) => Number.isSafeInteger(version) && version >= 0)
    .sort((a, b) => a - b)
  const newest = spoken.at(-1)
  const theirs = newest === undefined ? 'does not speak it at all' : `speaks version ${spoken.join(', ')}`
  return new MurmurError('PROTOCOL_MISMATCH', {
    message: `this node speaks version ${ours} of ${family.slice(0, -1)}, ${peer} ${theirs}`,
    next:
      newest === undefined
        ? 'check that the address is of a murmur node'
        : newest < ours
          ? `upgrade murmur on ${peer}`
          : 'upgrade murmur on this node',
    exit: 'version',
    details: { peer: peer.toString(), ours, theirs: spoken.join(',') },
    cause,
  })
}

/** The protocols that a peer told of itself; waits a moment when the connection is so young that it has not. */
async function identified(libp2p: Libp2p, peer: PeerId, signal: AbortSignal): Promise<readonly string[]> {
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
    return (await identity(libp2p, peer)) ?? []
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    libp2p.removeEventListener('peer:identify', onIdentify)
  }
}

/** Undefined before `identify`: until then the peer store knows some protocols, but not all. */
async function identity(libp2p: Libp2p, peer: PeerId): Promise<readonly string[] | undefined> {
  const record = await libp2p.peerStore.get(peer).catch(() => undefined)
  return record?.metadata.has('AgentVersion') ? record.protocols : undefined
}
