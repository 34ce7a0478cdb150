import { randomBytes } from 'node:crypto'
import type { LocalAccount } from 'viem'
import { signPayoutBinding } from '../chain/payout-binding.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Address, WorkerId } from '../protocol/ids.ts'
import { maxRequestBytes } from '../protocol/limits.ts'
import type { Network } from '../protocol/ports.ts'
import { protocolRange } from '../protocol/version-range.ts'
import {
  decode,
  encode,
  type HeadReply,
  type HeadRequest,
  type NodeOffer,
  type PeerAddresses,
} from '../protocol/wire.ts'

export interface HeadLinkOptions {
  /** Addresses of heads. */
  readonly addresses: readonly string[]
  readonly token: string
  readonly agent: string
  readonly engineClass: string
  readonly payout: Payout | null
}

/** Who is paid, with the signature that binds the address to this node when it was made elsewhere. */
export type Payout =
  | { readonly account: LocalAccount }
  | { readonly address: Address; readonly signature: `0x${string}` }

/** Heads that were met before, kept across restarts (network/peer-cache.ts). */
export interface HeadCache {
  addresses(): readonly string[]
  remember(head: WorkerId, addresses: readonly string[]): Promise<void>
}

type Heartbeat = Omit<Extract<HeadRequest['body'], { kind: 'heartbeat' }>, 'kind' | 'node'>
export type Beat = Extract<HeadReply['body'], { kind: 'beat' }>

const requestTimeoutMs = 10_000
const dialTimeoutMs = 10_000

/** A worker's line to whichever head leads: finds it among those it knows, joins, and speaks to it. */
export class HeadLink {
  readonly #options: HeadLinkOptions
  readonly #network: Network
  readonly #offer: () => NodeOffer | null
  readonly #cache: HeadCache | null
  readonly #incarnation = new Uint8Array(randomBytes(16))
  #heads: readonly PeerAddresses[] = []
  #head: WorkerId | null = null
  /** The offer that the head has last been told. */
  #told: NodeOffer | null = null
  #roundTripMs = 0
  name = ''
  heartbeatMs = 1_000

  constructor(
    options: HeadLinkOptions,
    network: Network,
    offer: () => NodeOffer | null,
    cache: HeadCache | null,
  ) {
    this.#cache = cache
    this.#options = options
    this.#network = network
    this.#offer = offer
  }

  /** The head that answers; null before the first join. */
  get head(): WorkerId | null {
    return this.#head
  }

  /** All heads of the cluster, in the order of their terms. */
  get heads(): readonly PeerAddresses[] {
    return this.#heads
  }

  /**
   * Joins whichever head leads: the one it had, the others it was told of, the addresses it was given, those met before.
   * @throws MurmurError the refusal of a head that answered, else why none could be reached
   */
  async join(signal: AbortSignal): Promise<void> {
    const told = [...this.#heads].sort((a, b) => Number(b.id === this.#head) - Number(a.id === this.#head))
    const addresses = new Set([
      ...told.flatMap((head) => head.addresses),
      ...this.#options.addresses,
      ...(this.#cache?.addresses() ?? []),
    ])
    let failure: unknown
    for (const address of addresses) {
      try {
        const timed = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)])
        await this.#joinAt(await this.#network.dial(address, timed), signal)
        return
      } catch (error) {
        if (signal.aborted || isFinal(error)) throw error
        // What a head said tells more than that another could not be reached.
        if (failure === undefined || isMurmurError(error, 'NOT_LEADING')) failure = error
      }
    }
    throw failure
  }

  async #joinAt(head: WorkerId, signal: AbortSignal): Promise<void> {
    const { agent, engineClass, payout, token } = this.#options
    const node = this.#currentOffer()
    const { min, max } = protocolRange
    const { body } = await this.#request(head, signal, {
      body: {
        kind: 'join',
        agent,
        engineClass,
        addresses: [...this.#network.addresses()].slice(0, 8),
        payout: payout === null ? '' : 'account' in payout ? payout.account.address : payout.address,
        payoutBinding: payout === null ? new Uint8Array() : await bindingOf(payout, this.#network.self),
        token,
        incarnation: this.#incarnation,
        protocolMin: min,
        protocolMax: max,
        node,
      },
    })
    if (body.kind !== 'welcome') throw unexpected(body.kind)
    this.#head = head
    this.#told = node
    this.#learn(body.heads)
    this.name = body.name
    this.heartbeatMs = Math.min(60_000, Math.max(100, body.heartbeatMs))
  }

  async beat(heartbeat: Heartbeat, signal: AbortSignal): Promise<Beat> {
    const offer = this.#currentOffer()
    const node = offer === this.#told ? null : offer
    const began = performance.now()
    const { body } = await this.#request(this.#head!, signal, {
      body: { kind: 'heartbeat', ...heartbeat, node },
    })
    if (body.kind !== 'beat') throw unexpected(body.kind)
    const tookMs = performance.now() - began
    // The quickest answer is the one that nobody's busy event loop stood in the way of.
    if (this.#roundTripMs === 0 || tookMs < this.#roundTripMs) this.#roundTripMs = tookMs
    this.#told = offer
    if (body.heads.length > 0) this.#learn(body.heads)
    return body
  }

  #learn(heads: readonly PeerAddresses[]): void {
    const known = JSON.stringify(heads) === JSON.stringify(this.#heads)
    this.#heads = heads
    if (known || this.#cache === null) return
    // That it could not be kept makes the next start slower, and no more.
    for (const { id, addresses } of heads) this.#cache.remember(id, addresses).catch(() => {})
  }

  async leave(reason: string, signal: AbortSignal): Promise<void> {
    if (this.#head !== null) await this.#request(this.#head, signal, { body: { kind: 'leave', reason } })
  }

  #patched: { readonly of: NodeOffer; readonly offer: NodeOffer } | null = null

  /** The host's offer with the round trip that heartbeats measure; the same object while nothing changed. */
  #currentOffer(): NodeOffer | null {
    const of = this.#offer()
    if (of === null) return null
    const roundTripMs = of.roundTripMs > 0 ? of.roundTripMs : this.#roundTripMs
    const same = this.#patched?.of === of && Math.abs(this.#patched.offer.roundTripMs - roundTripMs) < 1
    if (!same) this.#patched = { of, offer: { ...of, roundTripMs } }
    return this.#patched!.offer
  }

  async #request(head: WorkerId, signal: AbortSignal, message: HeadRequest): Promise<HeadReply> {
    const timed = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
    const answer = await this.#network.request(head, encode('HeadRequest', message), timed)
    return decode('HeadReply', answer, maxRequestBytes)
  }
}

/** Whether calling again cannot help: what is wrong is on this side. */
export const isFinal = (error: unknown): boolean =>
  isMurmurError(error) &&
  (error.exit === 'auth' || error.exit === 'version' || error.exit === 'usage') &&
  error.code !== 'NOT_JOINED'

async function bindingOf(payout: Payout, peerId: WorkerId): Promise<Uint8Array> {
  const signature =
    'account' in payout ? await signPayoutBinding(payout.account, { peerId }) : payout.signature
  return Buffer.from(signature.slice(2), 'hex')
}

function unexpected(kind: string): MurmurError {
  return new MurmurError('PROTOCOL_MISMATCH', {
    message: `the head answered with a ${kind}`,
    next: 'run the same version of murmur on both sides',
    exit: 'version',
  })
}
