import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { type Transport, transportSymbol } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { WebRTCDirectTransportComponents } from '@libp2p/webrtc'
import type { WebSocketsComponents } from '@libp2p/websockets'
import type { Libp2pOptions } from 'libp2p'
import { MurmurError } from '../protocol/errors.ts'
import { type AddressKind, kindOf, parseListenAddress } from './addresses.ts'
import { networkLimits } from './limits.ts'
import type { PunchPort } from './punching.ts'

type Transports = NonNullable<Libp2pOptions['transports']>

/**
 * TCP, WebSocket, WebRTC-direct and places at relays. Throws WEBRTC_UNAVAILABLE when one of `listen` needs WebRTC and
 * this host cannot.
 */
export async function nodeTransports(
  listen: readonly string[],
  punch: PunchPort | undefined,
): Promise<Transports> {
  const listened = new Set(listen.map((address) => kindOf(parseListenAddress(address))))
  const overTcp = tcp({
    inboundSocketInactivityTimeout: networkLimits.socketSilenceMs,
    outboundSocketInactivityTimeout: networkLimits.socketSilenceMs,
  })
  return [
    (components) => punch?.wrap(overTcp(components), components) ?? overTcp(components),
    listened.has('ws') ? await loadWebsockets() : lazily(['ws', 'wss'], loadWebsockets),
    listened.has('webrtc-direct') ? await loadWebrtc() : lazily(['webrtc-direct'], loadWebrtc),
    circuitRelayTransport({ maxInboundStopStreams: networkLimits.relayedConnections }),
  ]
}

type MakeTransport = (components: WebRTCDirectTransportComponents & WebSocketsComponents) => Transport

async function loadWebsockets(): Promise<MakeTransport> {
  const { webSockets } = await import('@libp2p/websockets')
  return webSockets({ maxBufferedAmount: networkLimits.unreadBytes })
}

async function loadWebrtc(): Promise<MakeTransport> {
  try {
    return (await import('@libp2p/webrtc')).webRTCDirect()
  } catch (cause) {
    throw new MurmurError('WEBRTC_UNAVAILABLE', {
      message: `WebRTC cannot be used on this host: ${(cause as Error).message}`,
      next: 'use a TCP or WebSocket address, or reinstall so that the native module node-datachannel is built',
      cause,
    })
  }
}

/**
 * Dials like the transport that it loads for the first address of its kinds: most nodes never need it, and it costs all of
 * them time at their start (WebRTC 0.4 s of a core and a native module that some hosts lack, WebSocket 0.15 s).
 */
function lazily(kinds: readonly AddressKind[], load: () => Promise<MakeTransport>): MakeTransport {
  return (components) => {
    let loaded: Promise<Transport> | undefined
    const transport: Transport = {
      [transportSymbol]: true,
      [Symbol.toStringTag]: `@murmur/lazy-${kinds[0]}`,
      async dial(address, options) {
        loaded ??= load().then((make) => make(components))
        // Dialling needs nothing that these transports' start would make, so that nothing is left to stop.
        return await (await loaded).dial(address, options)
      },
      dialFilter: (addresses) => addresses.filter((address) => kinds.includes(kindOf(address)!)),
      listenFilter: () => [],
      createListener: () => {
        throw new Error('what is listened on is loaded at the start')
      },
    }
    return transport
  }
}
