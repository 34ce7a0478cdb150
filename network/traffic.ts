import { Socket } from 'node:net'
import type { Metrics, MultiaddrConnection } from '@libp2p/interface'
import { invariant } from '../protocol/errors.ts'
import type { Traffic } from '../protocol/ports.ts'

/** Counts what crosses a node's sockets, by asking the sockets themselves. */
export interface TrafficMeter {
  /** Given to libp2p, which shows it every raw connection, inbound and outbound, before the handshake. */
  readonly metrics: Metrics
  read(): Traffic
}

/**
 * A meter that sums `bytesRead` and `bytesWritten` of every TCP socket: encryption, framing and gossip included,
 * TCP/IP headers not. Listening to the connection's messages instead would take them away from the handshake.
 */
export function createTrafficMeter(): TrafficMeter {
  const open = new Set<Socket>()
  let sentBefore = 0
  let receivedBefore = 0
  const track = (connection: MultiaddrConnection): void => {
    // Private in @libp2p/tcp, hence the check: a version that renames it fails loudly instead of counting nothing.
    const { socket } = connection as unknown as { socket?: unknown }
    invariant(socket instanceof Socket, 'a raw connection without a TCP socket cannot be metered')
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      sentBefore += socket.bytesWritten
      receivedBefore += socket.bytesRead
    })
  }
  return {
    metrics: countNothingElse(track),
    read() {
      let sentBytes = sentBefore
      let receivedBytes = receivedBefore
      for (const socket of open) {
        sentBytes += socket.bytesWritten
        receivedBytes += socket.bytesRead
      }
      return { sentBytes, receivedBytes }
    },
  }
}

/** libp2p's metrics interface with every instrument but the connection hook doing nothing. */
function countNothingElse(trackMultiaddrConnection: Metrics['trackMultiaddrConnection']): Metrics {
  const nothing = (): void => {}
  const timer = () => nothing
  const instrument = { update: nothing, increment: nothing, decrement: nothing, reset: nothing, timer }
  const histogram = { observe: nothing, reset: nothing, timer }
  const wrap = <Work>(work: Work): Work => work
  return {
    trackMultiaddrConnection,
    trackProtocolStream: nothing,
    registerMetric: () => instrument,
    registerMetricGroup: () => instrument,
    registerCounter: () => instrument,
    registerCounterGroup: () => instrument,
    registerHistogram: () => histogram,
    registerHistogramGroup: () => histogram,
    registerSummary: () => histogram,
    registerSummaryGroup: () => histogram,
    createTrace: nothing,
    traceFunction: (_name: string, work: unknown) => wrap(work),
  } as unknown as Metrics
}
