import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { nodeEnvironment } from '../cli/spawn-node.ts'

const main = path.join(import.meta.dirname, '../cli/murmur.cjs')
const stopTimeoutMs = 20_000

export interface NodeSpec {
  readonly name: string
  /** Of `murmur`, from the verb on; the same at every start. */
  readonly args: readonly string[]
  readonly logFile: string
}

/** One node as a process of its own, to be killed, paused and started again. */
export class NodeProcess {
  readonly spec: NodeSpec
  #child: ChildProcess | null = null

  constructor(spec: NodeSpec) {
    this.spec = spec
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null ? child.pid : undefined
  }

  start(): void {
    if (this.pid !== undefined) return
    const out = openSync(this.spec.logFile, 'a')
    try {
      this.#child = spawn(process.execPath, [main, ...this.spec.args], {
        stdio: ['ignore', out, out],
        env: nodeEnvironment(process.env),
      })
    } finally {
      closeSync(out)
    }
  }

  kill = (): Promise<void> => this.#end('SIGKILL')
  stop = (): Promise<void> => this.#end('SIGTERM')

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null || this.pid === undefined) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await gone
    clearTimeout(timer)
  }
}

/** A port that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
