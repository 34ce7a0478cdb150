import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { networkLimits } from './limits.ts'
import { type Family, families, protocolIds } from './versions.ts'

const ours: ReadonlySet<string> = new Set(
  (Object.keys(families) as Family[]).flatMap((family) => protocolIds(family)),
)

/**
 * Once hole punching has made a direct connection, dcutr closes the relayed one at once, in the middle of whatever block
 * crosses it. With this, what is under way ends first; what begins meanwhile takes the direct one.
 */
export function finishBeforeHandover(libp2p: Libp2p, stopping: AbortSignal): void {
  libp2p.addEventListener('connection:open', ({ detail: connection }: CustomEvent<Connection>) => {
    if (connection.limits === undefined) return
    const close = connection.close.bind(connection)
    connection.close = async (options) => {
      if (stopping.aborted) return await close(options)
      // Not awaited: dcutr takes a close that lasts for a hole that was not punched, and punches again.
      void idle(connection, stopping).then(() => close().catch((error) => connection.abort(error)))
    }
  })
}

/** Streams of ours, and those whose protocol is still being agreed on. */
const busy = ({ streams }: Connection) =>
  streams.filter(({ protocol }) => protocol === '' || ours.has(protocol))

async function idle(connection: Connection, stopping: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([stopping, AbortSignal.timeout(networkLimits.handoverMs)])
  // The other side may not know of the direct connection yet, and open streams on this one.
  await sleep(networkLimits.handoverGraceMs, undefined, { signal: stopping }).catch(() => {})
  for (
    let [stream] = busy(connection);
    stream !== undefined && !deadline.aborted;
    [stream] = busy(connection)
  ) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = (): void => resolve()
    stream.addEventListener('close', end, { once: true })
    deadline.addEventListener('abort', end, { once: true })
    await promise
    deadline.removeEventListener('abort', end)
    // The connection forgets a stream in a listener of the same event.
    await new Promise((next) => setImmediate(next))
  }
}
