import type { WorkerId } from '../protocol/ids.ts'
import type { Clock, GossipMessage } from '../protocol/ports.ts'
import { createKey } from './identity.ts'
import { createNetwork, type Libp2pNetwork, type NetworkDependencies, type NetworkOptions } from './node.ts'

/** Real nodes on 127.0.0.1, for tests: started together, stopped together. */
export interface Loopback extends AsyncDisposable {
  start(
    options?: Partial<NetworkOptions>,
    dependencies?: Partial<NetworkDependencies>,
  ): Promise<Libp2pNetwork>
  /** Connects `from` to `to`. */
  connect(from: Libp2pNetwork, to: Libp2pNetwork): Promise<WorkerId>
  /** Resolves when `node` has a place at each of the relays that it was told of. */
  reserved(node: Libp2pNetwork): Promise<void>
  /** What the nodes reported as their own faults. */
  readonly faults: unknown[]
}

/** No wait in a test is longer. */
export const testSignal = (): AbortSignal => AbortSignal.timeout(15_000)

export function createLoopback(clock: Clock = { now: () => 0 }): Loopback {
  const nodes: Libp2pNetwork[] = []
  const faults: unknown[] = []
  return {
    faults,
    reserved: (node) =>
      until(
        node.libp2p,
        'self:peer:update',
        () => node.addresses().some((address) => address.includes('/p2p-circuit')),
        'no place at a relay',
      ),
    async start(options = {}, dependencies = {}) {
      const node = await createNetwork(
        { privateKey: await createKey(), listen: ['/ip4/127.0.0.1/tcp/0'], ...options },
        { clock, onFault: (fault) => faults.push(fault), ...dependencies },
      )
      nodes.push(node)
      return node
    },
    connect: (from, to) => from.dial(to.addresses()[0]!, testSignal()),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** Waits for an event of libp2p after which `enough` holds. */
async function until(
  libp2p: Libp2pNetwork['libp2p'],
  event: Parameters<Libp2pNetwork['libp2p']['addEventListener']>[0],
  enough: () => boolean,
  missing: string,
): Promise<void> {
  const signal = testSignal()
  await new Promise<void>((resolve, reject) => {
    const check = (): void => {
      if (!enough()) return
      libp2p.removeEventListener(event, check)
      resolve()
    }
    libp2p.addEventListener(event, check)
    signal.addEventListener('abort', () => reject(new Error(missing)))
    check()
  })
}

/** Messages as they arrive, and a way to wait for enough of them. */
export interface Inbox {
  readonly messages: GossipMessage[]
  readonly listener: (message: GossipMessage) => void
  texts(): string[]
  until(enough: () => boolean): Promise<void>
}

export function createInbox(): Inbox {
  const messages: GossipMessage[] = []
  const waiting = new Set<() => void>()
  return {
    messages,
    listener(message) {
      messages.push(message)
      for (const check of waiting) check()
    },
    texts: () => messages.map(({ data }) => new TextDecoder().decode(data)),
    until: (enough) =>
      new Promise((resolve, reject) => {
        const signal = testSignal()
        const late = (): void => reject(new Error(`waited in vain; ${messages.length} messages arrived`))
        const check = (): void => {
          if (!enough()) return
          waiting.delete(check)
          signal.removeEventListener('abort', late)
          resolve()
        }
        signal.addEventListener('abort', late)
        waiting.add(check)
        check()
      }),
  }
}
