import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type HDAccount, mnemonicToAccount } from 'viem/accounts'
import { MurmurError } from '../protocol/errors.ts'
import { devnetChainId } from './confirmations.ts'

const require = createRequire(import.meta.url)

/** Foundry's public test mnemonic: its keys are known to everyone. For local devnets only. */
const devMnemonic = 'test test test test test test test test test test test junk'

/** A devnet account by index; the first 10 hold 10,000 of the devnet's coin. */
export function devAccount(index: number): HDAccount {
  return mnemonicToAccount(devMnemonic, { addressIndex: index })
}

export interface DevnetOptions {
  /** 0 for any free port. Default 0. */
  readonly port?: number
  /** Blocks come by themselves this often, as on a real chain. Default 1. */
  readonly blockTimeSeconds?: number
  /** File that keeps the chain across restarts: read at the start, written on stop and once a minute. */
  readonly stateFile?: string
  /** Ends the devnet when aborted, while starting or later. */
  readonly signal?: AbortSignal
}

export interface Devnet extends AsyncDisposable {
  readonly rpcUrl: string
  readonly chainId: number
  readonly port: number
  readonly pid: number
  /** Ends the process; resolves once its state is written and it is gone. Harmless when called twice. */
  stop(): Promise<void>
}

/** Accounts that hold coin for gas: one for the head, some funders, and as many workers as a round can have. */
const fundedAccounts = 64
/** anvil is ready within about 40 ms; a large state file and a busy host take longer. */
const startTimeoutMs = 20_000
/** Writing a large state on stop takes a while; after this the process is killed. */
const stopTimeoutMs = 10_000
const stateIntervalSeconds = 60
/** anvil says why it fails within its last lines. */
const keptOutputChars = 4_096

/**
 * Starts a local chain: Foundry's anvil as a child process on 127.0.0.1. Throws `ANVIL_MISSING`, `PORT_IN_USE` or
 * `DEVNET_FAILED`; an abort throws the signal's reason.
 */
export async function startDevnet(options: DevnetOptions = {}): Promise<Devnet> {
  const { port = 0, blockTimeSeconds = 1, stateFile, signal } = options
  signal?.throwIfAborted()
  const stateArguments = stateFile
    ? ['--state', stateFile, '--state-interval', String(stateIntervalSeconds)]
    : []
  const child = spawn(
    anvilPath(),
    [
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--accounts',
      String(fundedAccounts),
      '--block-time',
      String(blockTimeSeconds),
      ...stateArguments,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const killWithParent = () => child.kill('SIGKILL')
  process.once('exit', killWithParent)

  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= (async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      child.kill('SIGINT') // anvil writes its state on SIGINT and SIGTERM alike.
      await exited
      clearTimeout(timer)
      process.removeListener('exit', killWithParent)
      signal?.removeEventListener('abort', onAbort)
    })()
    return stopping
  }
  const onAbort = () => void stop()
  signal?.addEventListener('abort', onAbort, { once: true })

  try {
    const listeningPort = await listening(child, port)
    signal?.throwIfAborted()
    return {
      rpcUrl: `http://127.0.0.1:${listeningPort}`,
      chainId: devnetChainId,
      port: listeningPort,
      pid: child.pid!,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw signal?.aborted ? signal.reason : error
  }
}

/** `MURMUR_ANVIL`, the npm package for this platform, or `anvil` on the PATH. */
function anvilPath(): string {
  if (process.env.MURMUR_ANVIL) return process.env.MURMUR_ANVIL
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  try {
    const manifest = require.resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/package.json`)
    return path.join(path.dirname(manifest), 'bin', 'anvil')
  } catch {
    return 'anvil'
  }
}

/** The port that the process listens on, read from its output. */
function listening(child: ChildProcess, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = ''
    const timer = setTimeout(() => {
      reject(failed(`anvil did not listen within ${startTimeoutMs} ms`, output))
    }, startTimeoutMs)
    const read = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-keptOutputChars)
      const found = /Listening on 127\.0\.0\.1:(\d+)/.exec(output)
      if (!found) return
      clearTimeout(timer)
      // From here on only drained, so that the process never blocks on a full pipe.
      child.stdout!.off('data', read).resume()
      child.stderr!.off('data', read).resume()
      resolve(Number(found[1]))
    }
    child.stdout!.on('data', read)
    child.stderr!.on('data', read)
    child.once('error', (cause) => {
      clearTimeout(timer)
      reject(
        new MurmurError('ANVIL_MISSING', {
          message: `the local chain cannot start: ${cause.message}`,
          next: "install Foundry's anvil and put it on the PATH, or set MURMUR_ANVIL to its file",
          cause,
        }),
      )
    })
    // `close`, not `exit`: the output is complete by then.
    child.once('close', () => {
      clearTimeout(timer)
      reject(
        /address already in use/i.test(output)
          ? new MurmurError('PORT_IN_USE', {
              message: `port ${port} on 127.0.0.1 is in use`,
              next: 'choose another port, or 0 for any free one',
              details: { port },
            })
          : failed('anvil ended while starting', output),
      )
    })
  })
}

function failed(message: string, output: string): MurmurError {
  return new MurmurError('DEVNET_FAILED', {
    message: `the local chain failed: ${message}${output.trim() === '' ? '' : `: ${output.trim()}`}`,
    next: 'delete or move the state file if it is damaged, and check that MURMUR_ANVIL is anvil 1.x',
  })
}
