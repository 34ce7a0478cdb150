import type { Socket } from 'node:net'

export type LinkFault =
  /** Connections are reset, and new ones refused. */
  | { readonly kind: 'cut' }
  /** Connections stay open, and nothing arrives. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'slow'; readonly delayMs: number; readonly bytesPerSecond: number }
  /** One bit of each of the next so many pieces is turned. */
  | { readonly kind: 'corrupt'; readonly pieces: number }

/** What is between two nodes, in both directions, whichever of them dialled. */
export class Link {
  /** Each with how many pieces it may still damage. */
  readonly #faults = new Map<LinkFault, number>()
  readonly #sockets = new Set<Socket>()
  #listeners: (() => void)[] = []

  /** Begins a fault. Returns what ends it. */
  add(fault: LinkFault): () => void {
    this.#faults.set(fault, fault.kind === 'corrupt' ? fault.pieces : 0)
    if (fault.kind === 'cut') for (const socket of this.#sockets) socket.resetAndDestroy()
    return () => {
      this.#faults.delete(fault)
      for (const listener of this.#listeners.splice(0)) listener()
    }
  }

  get isCut(): boolean {
    return this.#has('cut')
  }

  /** Has a socket reset when the link is cut. */
  hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      for (const listener of this.#listeners.splice(0)) listener()
    })
  }

  /** Resolves when the link is not silent, or the socket that wants to know is gone. */
  async heard(socket: Socket): Promise<void> {
    while (this.#has('silent') && !socket.destroyed)
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
  }

  /** Milliseconds that a piece of so many bytes takes the line up for, and those that it then travels. */
  pace(bytes: number): { readonly sendingMs: number; readonly delayMs: number } {
    let [sendingMs, delayMs] = [0, 0]
    for (const fault of this.#faults.keys()) {
      if (fault.kind !== 'slow') continue
      sendingMs = Math.max(sendingMs, (bytes / fault.bytesPerSecond) * 1_000)
      delayMs = Math.max(delayMs, fault.delayMs)
    }
    return { sendingMs, delayMs }
  }

  /** The piece as it arrives. */
  passed(piece: Buffer): Buffer {
    for (const [fault, left] of this.#faults) {
      if (left === 0) continue
      this.#faults.set(fault, left - 1)
      const damaged = Buffer.from(piece)
      damaged[damaged.length >> 1]! ^= 1
      return damaged
    }
    return piece
  }

  #has(kind: LinkFault['kind']): boolean {
    for (const fault of this.#faults.keys()) if (fault.kind === kind) return true
    return false
  }
}

/** The links between all nodes, by their names. */
export class Links {
  readonly #links = new Map<string, Link>()

  between(a: string, b: string): Link {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    const link = this.#links.get(key) ?? new Link()
    this.#links.set(key, link)
    return link
  }

  /** Begins one fault on all links between a node and others. Returns what ends it. */
  trouble(node: string, others: readonly string[], fault: LinkFault): () => void {
    const ends = others
      .filter((other) => other !== node)
      .map((other) => this.between(node, other).add({ ...fault }))
    return () => {
      for (const end of ends) end()
    }
  }
}
