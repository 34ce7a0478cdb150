import { Socket } from 'node:net'
import type { Metrics, MultiaddrConnection } from '@libp2p/interface'
import { invariant } from '../protocol/errors.ts'
import type { Traffic } from '../protocol/ports.ts'
import { kindOf } from './addresses.ts'

/** Counts what crosses a node's sockets, by asking the sockets themselves. */
export interface TrafficMeter {
  /** Given to libp2p, which shows it every raw connection, inbound and outbound, before the handshake. */
  readonly metrics: Metrics
  read(): Traffic
  /** The local port of the open TCP socket whose other end is this, if there is one. */
  localPort(remoteHost: string, remotePort: number): number | undefined
}

/** One connection's bytes so far. */
type Gauge = () => Traffic

const nothingYet: Traffic = { sentBytes: 0, receivedBytes: 0 }

/**
 * A meter that sums `bytesRead` and `bytesWritten` of every TCP socket: encryption, framing and gossip included,
 * TCP/IP headers not. WebSockets are counted by frame, WebRTC by what its data channels carried. A connection over a
 * relay adds nothing: its bytes cross the connection to the relay. Listening to a connection's messages instead
 * would take them away from the handshake.
 */
export function createTrafficMeter(): TrafficMeter {
  const open = new Map<MultiaddrConnection, Gauge>()
  const sockets = new Map<MultiaddrConnection, Socket>()
  let closed = nothingYet
  const track = (connection: MultiaddrConnection): void => {
    if (kindOf(connection.remoteAddr) === 'relay') return
    const { socket } = connection as unknown as { socket?: unknown }
    const gauge = gaugeOf(connection)
    open.set(connection, gauge)
    if (socket instanceof Socket) sockets.set(connection, socket)
    const end = (): void => {
      if (!open.delete(connection)) return
      sockets.delete(connection)
      closed = sum(closed, gauge())
    }
    // A socket counts until it is closed itself, which is after its connection.
    if (socket instanceof Socket) socket.once('close', end)
    else connection.addEventListener('close', end, { once: true })
  }
  return {
    metrics: countNothingElse(track),
    read: () => [...open.values()].map((gauge) => gauge()).reduce(sum, closed),
    localPort: (remoteHost, remotePort) =>
      [...sockets.values()].find(
        (socket) => socket.remotePort === remotePort && plain(socket.remoteAddress) === remoteHost,
      )?.localPort,
  }
}

const sum = (a: Traffic, b: Traffic): Traffic => ({
  sentBytes: a.sentBytes + b.sentBytes,
  receivedBytes: a.receivedBytes + b.receivedBytes,
})

/** An IPv4 address of a socket that takes both families reads ::ffff:a.b.c.d. */
const plain = (host: string | undefined): string | undefined => host?.replace(/^::ffff:(?=\d+\.)/, '')

/** What is private in the transports, hence the check: a version that renames it fails loudly, and does not count nothing. */
interface Insides {
  readonly socket?: unknown
  readonly websocket?: WebSocket
  readonly peerConnection?: { readonly peerConnection?: { bytesSent(): number; bytesReceived(): number } }
}

function gaugeOf(connection: MultiaddrConnection): Gauge {
  const { socket, websocket, peerConnection } = connection as unknown as Insides
  if (socket instanceof Socket)
    return () => ({ sentBytes: socket.bytesWritten, receivedBytes: socket.bytesRead })
  if (websocket !== undefined) return websocketGauge(connection, websocket)
  const native = peerConnection?.peerConnection
  invariant(native !== undefined, 'a raw connection of an unknown kind cannot be metered')
  let last = nothingYet
  return () => {
    // Closed below us it says 0: what was read before stands.
    last = {
      sentBytes: Math.max(last.sentBytes, native.bytesSent()),
      receivedBytes: Math.max(last.receivedBytes, native.bytesReceived()),
    }
    return last
  }
}

/** Frames of a binary message after RFC 6455, section 5.2; a client masks what it sends. */
function websocketGauge(connection: MultiaddrConnection, websocket: WebSocket): Gauge {
  let { sentBytes, receivedBytes } = nothingYet
  const isClient = connection.direction === 'outbound'
  const framed = (length: number, masked: boolean): number =>
    length + 2 + (length > 65_535 ? 8 : length > 125 ? 2 : 0) + (masked ? 4 : 0)
  const sending = connection as unknown as { sendData(data: Iterable<Uint8Array>): unknown }
  const sendData = sending.sendData.bind(connection)
  sending.sendData = (data) => {
    for (const piece of data) sentBytes += framed(piece.length, isClient)
    return sendData(data)
  }
  websocket.addEventListener('message', ({ data }) => {
    receivedBytes += framed(data instanceof ArrayBuffer ? data.byteLength : String(data).length, !isClient)
  })
  return () => ({ sentBytes, receivedBytes })
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
