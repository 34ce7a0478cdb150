import {
  type CircuitRelayServerComponents,
  type CircuitRelayService,
  circuitRelayServer,
} from '@libp2p/circuit-relay-v2'
import type { Libp2p } from 'libp2p'
import { networkLimits } from './limits.ts'

/** Bounds of a node that relays for others (circuit relay v2); each defaults to its namesake in `networkLimits`. */
export interface RelayOptions {
  readonly serve: boolean
  /** Peers that may have a place here at once. */
  readonly reservationsMax?: number
  /** How long a place lasts unless it is renewed. */
  readonly reservationMs?: number
  /** What one relayed connection may carry, both directions together; 2³¹ − 1 at most. */
  readonly connectionBytes?: number
  /** How long one relayed connection may last. */
  readonly connectionMs?: number
}

export function relayService(
  options: RelayOptions,
): (components: CircuitRelayServerComponents) => CircuitRelayService {
  return circuitRelayServer({
    hopTimeout: networkLimits.requestMs,
    maxInboundHopStreams: networkLimits.relayStreamsPerPeer,
    maxOutboundStopStreams: networkLimits.relayStreamsPerPeer,
    reservations: {
      maxReservations: options.reservationsMax ?? networkLimits.relayReservations,
      reservationTtl: options.reservationMs ?? networkLimits.relayReservationMs,
      defaultDataLimit: BigInt(
        Math.min(options.connectionBytes ?? networkLimits.relayedBytes, networkLimits.relayedBytes),
      ),
      defaultDurationLimit: options.connectionMs ?? networkLimits.relayedMs,
    },
  })
}

/** Gives a place back when its holder is gone; libp2p keeps it until it expires, so that places run out under churn. */
export function freePlacesOfTheGone(libp2p: Libp2p, relay: CircuitRelayService): void {
  libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    // Otherwise its end, an hour later, would take away the place that the peer may have again by then.
    relay.reservations.get(detail)?.signal.clear()
    relay.reservations.delete(detail)
  })
}
