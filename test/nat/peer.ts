/**
 * A node of its own process, in whichever network it is started, that does what lines of JSON on its input say and
 * answers each with one on its output. It ends with its input.
 * Usage: node peer.ts '{"listen": […], "relay": bool, "reserveAt": […]}'
 */
import { createInterface } from 'node:readline'
import { createKey } from '../../network/identity.ts'
import { createNetwork } from '../../network/node.ts'
import { contentId } from '../../protocol/content-id.ts'
import { workerId } from '../../protocol/ids.ts'
import type { Answer, Order, PeerOptions } from './orders.ts'

const { listen, relay, reserveAt }: PeerOptions = JSON.parse(process.argv[2]!)
const signal = AbortSignal.timeout(100_000)
const topic = '/murmur/1/test'
const network = await createNetwork(
  { privateKey: await createKey(), listen, relay: { serve: relay }, reserveAt },
  {
    clock: { now: () => Date.now() },
    onFault: (fault) => console.error('fault', fault),
    onReservation: (progress) => console.error('reservation', JSON.stringify(progress)),
  },
)
const heard: string[] = []
await network.subscribe(
  topic,
  () => 'accept',
  ({ author, data }) => heard.push(`${author} ${new TextDecoder().decode(data)}`),
)
network.handleRequests(async (_peer, payload) => payload)

/** Bytes that both sides can make. */
const blockOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 2654435761) >>> 13)

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'dial':
      return await network.dial(order.address, signal)
    case 'serve': {
      const block = blockOf(order.length)
      network.serveBlocks({ get: async () => block })
      return contentId(block, 'raw')
    }
    case 'fetch': {
      const cid = contentId(blockOf(order.length), 'raw')
      const before = performance.now()
      const block = await network.fetchBlock([workerId(order.peer)], cid, { signal, maxBytes: order.length })
      return { length: block.length, ms: performance.now() - before }
    }
    case 'publish':
      return (await network.publish(topic, new TextEncoder().encode(order.text))) ?? null
    case 'measure':
      return await network.measure(workerId(order.peer), signal)
    case 'look':
      return {
        self: network.self,
        addresses: network.addresses(),
        reachability: network.reachability(),
        observed: network.observedAddresses(),
        heard,
        connections: network.libp2p.getConnections().map(({ remotePeer, remoteAddr, direct }) => ({
          peer: remotePeer.toString(),
          address: remoteAddr.toString(),
          direct,
        })),
      }
    default: {
      const never: never = order
      throw new Error(`no such order: ${JSON.stringify(never)}`)
    }
  }
}

const answer = (line: Answer): void => console.log(JSON.stringify(line))
answer({ ok: await obey({ do: 'look' }) })
for await (const line of createInterface({ input: process.stdin }))
  await obey(JSON.parse(line)).then(
    (ok) => answer({ ok }),
    (error: Error) => answer({ error: String(error) }),
  )
await network.stop()
