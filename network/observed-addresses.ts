import { networkInterfaces } from 'node:os'
import type { Connection, IdentifyResult } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { workerId } from '../protocol/ids.ts'
import { kindOf } from './addresses.ts'
import { isPrivateHost } from './private-hosts.ts'
import { type Observation, type Reachability, reachabilityOf } from './reachability.ts'
import type { TrafficMeter } from './traffic.ts'

/** Collects what peers say of our address: one for each open, direct connection, so as many as those at most. */
export interface ObservedAddresses {
  list(): readonly Observation[]
  reachability(): Reachability
}

export function observeAddresses(libp2p: Libp2p, meter: TrafficMeter): ObservedAddresses {
  const byConnection = new Map<string, Observation>()
  libp2p.addEventListener('peer:identify', ({ detail }) => {
    const observation = observationOf(detail, meter)
    // Identify may answer when the connection is gone already: then nothing would remove it again.
    if (observation !== undefined && detail.connection.status === 'open')
      byConnection.set(detail.connection.id, observation)
  })
  libp2p.addEventListener('connection:close', ({ detail }: CustomEvent<Connection>) => {
    byConnection.delete(detail.id)
  })
  const list = (): readonly Observation[] => [...byConnection.values()]
  return {
    list,
    reachability: () => reachabilityOf(list(), localHosts(), isPrivateHost),
  }
}

function observationOf(
  { connection, observedAddr }: IdentifyResult,
  meter: TrafficMeter,
): Observation | undefined {
  // Only what we dialled tells of a mapping: an inbound connection was made by the peer to an address it knew.
  if (connection.direction !== 'outbound' || kindOf(connection.remoteAddr) === 'relay') return undefined
  const observed = observedAddr === undefined ? undefined : endpointOf(observedAddr)
  if (observed === undefined) return undefined
  const remote = endpointOf(connection.remoteAddr)
  return {
    observer: workerId(connection.remotePeer.toString()),
    observedHost: observed.host,
    observedPort: observed.port,
    localPort: remote === undefined ? undefined : meter.localPort(remote.host, remote.port),
  }
}

function endpointOf(address: Multiaddr): { readonly host: string; readonly port: number } | undefined {
  const [host, port] = address.getComponents()
  if (host?.value === undefined || port?.value === undefined || !host.name.startsWith('ip')) return undefined
  return { host: host.value, port: Number(port.value) }
}

function localHosts(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((interfaces) =>
      (interfaces ?? []).map(({ address }) => address),
    ),
  )
}
