import type { Libp2p } from 'libp2p'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import { type WorkerId, workerId } from '../protocol/ids.ts'
import { kindOf, parseAddress, peerOf } from './addresses.ts'
import { networkLimits } from './limits.ts'
import { bestConnection, parsePeer } from './protocols.ts'

/**
 * Connects to one address; cheap when already connected to the peer it names, directly or as well as the address can. Without a `/p2p/` part whoever answers
 * is taken. Throws ADDRESS_INVALID, PEER_ID_MISMATCH, BOOTSTRAP_UNREACHABLE, or the signal's reason.
 */
export async function dialAddress(libp2p: Libp2p, text: string, signal: AbortSignal): Promise<WorkerId> {
  signal.throwIfAborted()
  const address = parseAddress(text)
  const named = peerOf(address)
  if (named === workerId(libp2p.peerId.toString())) return named
  const present = named === undefined ? undefined : bestConnection(libp2p, parsePeer(named))
  // A relayed connection is as good as none to who knows a direct way.
  if (named !== undefined && present !== undefined && (present.direct || kindOf(address) === 'relay'))
    return named
  try {
    const deadline = AbortSignal.timeout(networkLimits.dialTimeoutMs)
    const connection = await libp2p.dial(address, { signal: AbortSignal.any([signal, deadline]) })
    return workerId(connection.remotePeer.toString())
  } catch (cause) {
    signal.throwIfAborted()
    if (isMurmurError(cause)) throw cause
    throw dialError(text, cause)
  }
}

function dialError(address: string, cause: unknown): MurmurError {
  const all = cause instanceof AggregateError ? cause.errors : [cause]
  // The upgrader keeps only the text of noise's UnexpectedPeerError.
  if (all.some((error) => /does not match expected remote identity/.test(String(error))))
    return new MurmurError('PEER_ID_MISMATCH', {
      message: `another node than the named one answers at ${address}`,
      next: 'ask the operator of that node for its present address',
      exit: 'auth',
      details: { address },
      cause,
    })
  const why = all.map((error) => (error instanceof Error ? error.message : String(error))).join('; ')
  return new MurmurError('BOOTSTRAP_UNREACHABLE', {
    message: `nobody answers at ${address.slice(0, 200)}: ${why.slice(0, 300) || 'no reason given'}`,
    next: 'check that the node runs there and that its port can be reached from here, or dial another address',
    exit: 'unreachable',
    details: { address },
    cause,
  })
}
