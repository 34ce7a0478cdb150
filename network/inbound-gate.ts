import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import { networkLimits } from './limits.ts'

/**
 * Keeps the handshakes that one host has under way below a part of those that libp2p takes at once from all, so that sockets
 * that connect and say nothing keep nobody from elsewhere out.
 */
export function inboundGate(): ConnectionGater {
  const pending = new Map<string, Set<MultiaddrConnection>>()
  const hostOf = (connection: MultiaddrConnection): string =>
    connection.remoteAddr.getComponents()[0]?.value ?? ''
  const done = (connection: MultiaddrConnection): void => {
    const host = hostOf(connection)
    const ofHost = pending.get(host)
    ofHost?.delete(connection)
    if (ofHost?.size === 0) pending.delete(host)
  }
  return {
    denyInboundConnection(connection) {
      const host = hostOf(connection)
      const ofHost = pending.get(host) ?? new Set()
      if (ofHost.size >= networkLimits.pendingConnectionsPerHost) return true
      pending.set(host, ofHost.add(connection))
      connection.addEventListener('close', () => done(connection), { once: true })
      return false
    },
    denyInboundUpgradedConnection(_peer, connection) {
      done(connection)
      return false
    },
  }
}
