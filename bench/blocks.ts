/**
 * Block stream against a raw TCP socket, both on 127.0.0.1 in one process, in turn: prints MB/s and the ratio.
 * Usage: node bench/blocks.ts [block MB, default 16] [repetitions, default 8]
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { createKey } from '../network/identity.ts'
import { createNetwork } from '../network/node.ts'
import { contentId } from '../protocol/content-id.ts'

const [megabytes, repetitions] = [Number(process.argv[2] ?? 16), Number(process.argv[3] ?? 8)]
const block = new Uint8Array(megabytes * 1e6).map((_, index) => index * 31)
const cid = contentId(block, 'raw')
const dependencies = { clock: { now: () => Date.now() }, onFault: (fault: unknown) => console.error(fault) }
const signal = AbortSignal.timeout(120_000)

const start = async () =>
  createNetwork({ privateKey: await createKey(), listen: ['/ip4/127.0.0.1/tcp/0'] }, dependencies)
await using holder = await start()
await using asker = await start()
await asker.dial(holder.addresses()[0]!, signal)
holder.serveBlocks({ get: async () => block })

async function throughSocket(): Promise<void> {
  const server = createServer((socket) => socket.end(block)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let received = 0
  socket.on('data', (piece) => {
    received += piece.length
  })
  await once(socket, 'close')
  server.close()
  if (received !== block.length) throw new Error('the socket lost bytes')
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work()
  return (performance.now() - before) / 1000
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!
const fetched: number[] = []
const sent: number[] = []
for (let repetition = 0; repetition < repetitions; repetition++) {
  fetched.push(await seconds(() => asker.fetchBlock([holder.self], cid, { signal, maxBytes: block.length })))
  sent.push(await seconds(throughSocket))
}
const [ours, raw] = [megabytes / median(fetched), megabytes / median(sent)]
console.log(
  `block stream ${ours.toFixed(0)} MB/s (noise, sha-256 included), raw socket ${raw.toFixed(0)} MB/s, ratio ${(ours / raw).toFixed(3)}`,
)
