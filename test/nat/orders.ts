import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Observation, Reachability } from '../../network/reachability.ts'

const script = fileURLToPath(new URL('./peer.ts', import.meta.url))

export interface PeerOptions {
  readonly listen: readonly string[]
  readonly relay: boolean
  readonly reserveAt: readonly string[]
}

export type Order =
  | { readonly do: 'dial'; readonly address: string }
  | { readonly do: 'serve'; readonly length: number }
  | { readonly do: 'fetch'; readonly peer: string; readonly length: number }
  | { readonly do: 'publish'; readonly text: string }
  | { readonly do: 'measure'; readonly peer: string }
  | { readonly do: 'look' }

export type Answer = { readonly ok: unknown } | { readonly error: string }

export interface Look {
  readonly self: string
  readonly addresses: readonly string[]
  readonly reachability: Reachability
  readonly observed: readonly Observation[]
  readonly heard: readonly string[]
  readonly connections: readonly {
    readonly peer: string
    readonly address: string
    readonly direct: boolean
  }[]
}

/** A node in a process of its own, and how it is told what to do: one order at a time. */
export interface RemotePeer extends AsyncDisposable {
  readonly self: string
  readonly addresses: readonly string[]
  order<Result>(order: Order): Promise<Result>
  look(): Promise<Look>
  log(): string
}

/** Starts `peer.ts` below a command line that puts it into a network. */
export async function startPeer(
  [program, ...args]: readonly string[],
  options: PeerOptions,
): Promise<RemotePeer> {
  const child: ChildProcess = spawn(program!, [...args, process.execPath, script, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr?.on('data', (text) => {
    log += text
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async <Result>(): Promise<Result> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the peer ended early: ${log}`)
    const answer: Answer = JSON.parse(value)
    if ('error' in answer) throw new Error(`${answer.error}\n${log}`)
    return answer.ok as Result
  }
  const order = <Result>(what: Order): Promise<Result> => {
    child.stdin?.write(`${JSON.stringify(what)}\n`)
    return next<Result>()
  }
  const ended = once(child, 'exit')
  const { self, addresses } = await next<Look>()
  return {
    self,
    addresses,
    order,
    look: () => order<Look>({ do: 'look' }),
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end()
      const overdue = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(overdue)
    },
  }
}
