import type { WorkerId } from '../protocol/ids.ts'
import type { Clock, GossipMessage } from '../protocol/ports.ts'
import { createKey } from './identity.ts'
import { createNetwork, type Libp2pNetwork, type NetworkOptions } from './node.ts'

/** Real nodes on 127.0.0.1, for tests: started together, stopped together. */
export interface Loopback extends AsyncDisposable {
  start(options?: Partial<NetworkOptions>): Promise<Libp2pNetwork>
  /** Connects `from` to `to`. */
  connect(from: Libp2pNetwork, to: Libp2pNetwork): Promise<WorkerId>
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
    async start(options = {}) {
      const node = await createNetwork(
        { privateKey: await createKey(), listen: ['/ip4/127.0.0.1/tcp/0'], ...options },
        { clock, onFault: (fault) => faults.push(fault) },
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
