import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Link } from './links.ts'

/** Bytes under way on one slow connection; beyond them the sender is told to wait, as a full pipe would. */
const maxUnderWay = 1024 * 1024

export interface FrontDoor extends AsyncDisposable {
  readonly port: number
}

/**
 * A TCP proxy in front of one node: what others are told to dial. Each connection goes over the link that `linkOf` names
 * for whoever dialled, which is asked by the port that the connection comes from, and suffers what that link does.
 */
export async function openFrontDoor(
  target: { readonly port: number },
  linkOf: (fromPort: number, door: number) => Promise<Link>,
): Promise<FrontDoor> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (outside) => {
    open.add(outside)
    outside.on('error', () => outside.destroy())
    outside.once('close', () => open.delete(outside))
    void admit(outside).catch(() => outside.destroy())
  })
  const admit = async (outside: Socket) => {
    const link = await linkOf(outside.remotePort!, port)
    if (outside.destroyed) return
    if (link.isCut) return outside.resetAndDestroy()
    const inside = connect({ host: '127.0.0.1', port: target.port, allowHalfOpen: true })
    inside.on('error', () => outside.resetAndDestroy())
    outside.once('close', () => inside.destroy())
    inside.once('close', () => outside.destroy())
    link.hold(outside)
    await Promise.all([pump(outside, inside, link), pump(inside, outside, link)])
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Everything from one side to the other, in order, as the link lets it through. */
async function pump(from: Socket, to: Socket, link: Link): Promise<void> {
  let sent = Promise.resolve()
  let underWay = 0
  let freeAt = 0
  try {
    for await (const piece of from as AsyncIterable<Buffer>) {
      await link.heard(from)
      const { sendingMs, delayMs } = link.pace(piece.length)
      freeAt = Math.max(freeAt, performance.now()) + sendingMs
      const dueAt = freeAt + delayMs
      const bytes = link.passed(piece)
      underWay += bytes.length
      sent = sent.then(async () => {
        const earlyMs = dueAt - performance.now()
        if (earlyMs >= 1) await sleep(earlyMs)
        await link.heard(from)
        await write(to, bytes)
        underWay -= bytes.length
      })
      // A failure is met where the queue is waited for.
      sent.catch(() => {})
      if (underWay > maxUnderWay) await sent
    }
    await sent
    to.end()
  } catch {
    from.destroy()
    to.destroy()
  }
}

function write(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}
