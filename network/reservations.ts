import type { PeerId, Transport } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { backoffMs } from '../protocol/backoff.ts'
import { errorText, invariant, isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { networkLimits } from './limits.ts'
import type { ObservedAddresses } from './observed-addresses.ts'
import { parsePeer } from './protocols.ts'

/** A node behind a NAT is dialled through a place at a relay, which it must ask for and keep. */
export type ReservationProgress =
  | { readonly kind: 'reserved'; readonly relay: WorkerId }
  | { readonly kind: 'not-needed'; readonly relay: WorkerId }
  | { readonly kind: 'lost'; readonly relay: WorkerId }
  | { readonly kind: 'refused'; readonly address: string; readonly reason: string; readonly retryMs: number }

export interface ReservationDependencies {
  readonly libp2p: Libp2p
  readonly places: RelayPlaces
  readonly dial: (address: string, signal: AbortSignal) => Promise<WorkerId>
  readonly observed: ObservedAddresses
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Uint32 draws for the backoff's jitter. */
  readonly draw: () => number
  readonly onProgress: (progress: ReservationProgress) => void
}

/**
 * Keeps a place at the relay of `address` until `signal` aborts: dials it, reserves (`always`, or only when peers see
 * this node behind a NAT), and does so again whenever the place was lost. Rejects only with what no waiting changes:
 * ADDRESS_INVALID, NOT_A_RELAY.
 */
export async function keepReservation(
  address: string,
  when: 'behind-nat' | 'always',
  signal: AbortSignal,
  { libp2p, places, dial, observed, sleep, draw, onProgress }: ReservationDependencies,
): Promise<void> {
  await places.open()
  for (let failures = 0; !signal.aborted; ) {
    try {
      const relay = await dial(address, signal)
      const gone = untilLost(libp2p, places, relay, signal)
      await observedBy(libp2p, observed, relay, signal)
      if (when === 'always' || ['nat', 'symmetric'].includes(observed.reachability())) {
        await places.reserve(relay)
        onProgress({ kind: 'reserved', relay })
      } else onProgress({ kind: 'not-needed', relay })
      failures = 0
      await gone
      if (!signal.aborted) onProgress({ kind: 'lost', relay })
    } catch (error) {
      if (signal.aborted) return
      if (isMurmurError(error, 'ADDRESS_INVALID') || isMurmurError(error, 'NOT_A_RELAY')) throw error
      const { reserveFirstMs: firstMs, reserveMaxMs: maxMs } = networkLimits
      const retryMs = backoffMs(failures++, draw(), { firstMs, maxMs })
      onProgress({ kind: 'refused', address, reason: errorText(error), retryMs })
      await sleep(retryMs, signal).catch(() => {})
    }
  }
}

/** Resolves when the place at `relay`, or the last connection to it, is gone, or `signal` aborts. */
function untilLost(libp2p: Libp2p, places: RelayPlaces, relay: WorkerId, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      signal.removeEventListener('abort', end)
      stopListening()
      resolve()
    }
    const onDisconnect = ({ detail }: CustomEvent<PeerId>): void => {
      if (detail.toString() === relay) end()
    }
    const stopListening = places.onLost((lost) => {
      if (lost === relay) end()
    })
    libp2p.addEventListener('peer:disconnect', onDisconnect)
    signal.addEventListener('abort', end)
  })
}

/** Waits a moment for what `relay` says of our address: on a young connection it has not said it yet. */
async function observedBy(
  libp2p: Libp2p,
  observed: ObservedAddresses,
  relay: WorkerId,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, networkLimits.identifyMs)
  const look = (): void => {
    if (observed.list().some(({ observer }) => observer === relay)) resolve()
  }
  libp2p.addEventListener('peer:identify', look)
  signal.addEventListener('abort', () => resolve(), { once: true })
  look()
  await promise
  clearTimeout(timer)
  libp2p.removeEventListener('peer:identify', look)
}

/** This node's places at relays, over libp2p's relay transport. */
export interface RelayPlaces {
  /** Makes room for one more place. */
  open(): Promise<void>
  /** Throws RESERVATION_REFUSED, NOT_A_RELAY. */
  reserve(relay: WorkerId): Promise<void>
  onLost(listener: (relay: WorkerId) => void): () => void
}

/** What a libp2p service is given, as far as it is needed here. */
export interface RelayClientComponents {
  readonly transportManager: {
    getTransports(): Transport[]
    listen(addresses: Multiaddr[]): Promise<void>
  }
}

/** Public on the transport's class, which its package does not export. */
interface RelayTransport {
  readonly discovery?: { startDiscovery: () => void }
  readonly reservationStore?: EventTarget & {
    addRelay(peer: PeerId, type: 'discovered'): Promise<unknown>
  }
}

export function relayPlaces({ transportManager }: RelayClientComponents): RelayPlaces {
  const transport = transportManager
    .getTransports()
    .find((one) => one[Symbol.toStringTag] === '@libp2p/circuit-relay-v2-transport') as unknown as
    | RelayTransport
    | undefined
  const { reservationStore: store, discovery } = transport ?? {}
  invariant(store !== undefined && discovery !== undefined, 'the relay transport keeps its places elsewhere')
  // Its own search takes any peer that says it relays, and dials those that it once knew. Ours are named.
  discovery.startDiscovery = () => {}
  return {
    open: () => transportManager.listen([multiaddr('/p2p-circuit')]),
    async reserve(relay) {
      try {
        await store.addRelay(parsePeer(relay), 'discovered')
      } catch (cause) {
        throw reservationError(relay, cause as Error)
      }
    },
    onLost(listener) {
      const onRemoved = (event: Event): void =>
        listener(String((event as CustomEvent<{ relay: PeerId }>).detail.relay) as WorkerId)
      store.addEventListener('relay:removed', onRemoved)
      return () => store.removeEventListener('relay:removed', onRemoved)
    },
  }
}

function reservationError(relay: WorkerId, cause: Error): MurmurError {
  const options = { exit: 'unreachable', details: { relay }, cause } as const
  // Asked a second time, libp2p remembers the refusal of the protocol and says only that.
  return cause.name === 'UnsupportedProtocolError' || /previously invalid/.test(cause.message)
    ? new MurmurError('NOT_A_RELAY', {
        message: `${relay} does not relay for others`,
        next: 'start that head with --relay, or name another relay',
        ...options,
      })
    : new MurmurError('RESERVATION_REFUSED', {
        message: `${relay} gave no place to be dialled through: ${cause.message}`,
        next: 'its places may all be taken: wait, or name another relay',
        ...options,
      })
}
