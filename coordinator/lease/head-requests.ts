import { MurmurError } from '../../protocol/errors.ts'
import type { WorkerId } from '../../protocol/ids.ts'
import { maxRequestBytes } from '../../protocol/limits.ts'
import type { Network } from '../../protocol/ports.ts'
import { decode, encode, type HeadReply, type HeadRequest, type PeerAddresses } from '../../protocol/wire.ts'

type Appended = Extract<HeadReply['body'], { kind: 'appended' }>

/** Asks another head something, over the connection there is, or over a new one to the first address that answers. */
export async function askHead(
  network: Network,
  head: PeerAddresses,
  body: HeadRequest['body'],
  signal: AbortSignal,
): Promise<Appended> {
  if (!network.connectedPeers().includes(head.id)) await dialFirst(network, head.addresses, signal, head.id)
  const answer = await network.request(head.id, encode('HeadRequest', { body }), signal)
  const reply = decode('HeadReply', answer, maxRequestBytes)
  if (reply.body.kind === 'appended') return reply.body
  throw new MurmurError('UNEXPECTED_REPLY', {
    message: `${head.id} answered a head with ${reply.body.kind}`,
    next: 'check that its address is the one of a head, and its version the same',
  })
}

/**
 * Dials addresses in order until one answers (as `expected`, when that is given).
 * @throws MurmurError HEAD_UNREACHABLE, or what the last dial threw
 */
export async function dialFirst(
  network: Network,
  addresses: readonly string[],
  signal: AbortSignal,
  expected: WorkerId | null = null,
): Promise<WorkerId> {
  let last: unknown = new MurmurError('HEAD_UNREACHABLE', {
    message: `no address of ${expected ?? 'a head'} is known`,
    next: 'start this head with --address of one that runs',
    exit: 'unreachable',
  })
  for (const address of addresses) {
    try {
      const peer = await network.dial(address, signal)
      if (expected === null || peer === expected) return peer
    } catch (error) {
      last = error
    }
  }
  throw last
}
