import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { LocalAccount } from 'viem'
import { deployDevnet } from '../chain/deploy.ts'
import { type Devnet, devAccount, startDevnet } from '../chain/devnet.ts'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import { openStore } from '../checkpoints/store.ts'
import { type Api, serveApi } from '../coordinator/api.ts'
import { Head } from '../coordinator/head.ts'
import { openRunArchive } from '../coordinator/run-archive.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { createNetwork } from '../network/node.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import { Auditor } from '../verification/auditor.ts'
import { threadedOrtCpuEngine } from '../worker/engine/threaded-engine.ts'
import { loadRunContext } from '../worker/run-context.ts'
import { devRoles } from './accounts.ts'
import { apiToken, type HeadReady, headFolder, readReady, writeReady } from './home.ts'
import { log } from './log.ts'
import { version } from './version.ts'

export interface HeadProcessOptions {
  readonly home: string
  readonly listen: readonly string[]
  readonly apiPort: number
  readonly token: string
  readonly devnet: boolean
  readonly chain: { readonly config: ChainConfig; readonly account: LocalAccount } | null
}

export interface HeadProcess {
  readonly ready: HeadReady
  stop(): Promise<void>
}

/** Wires a head: network, embedded IPFS, chain, engine for audits, API. Everything started here is stopped by `stop`. */
export async function startHead(options: HeadProcessOptions): Promise<HeadProcess> {
  const { home, listen, apiPort, token } = options
  const folder = headFolder(home)
  const clock = { now: () => Date.now() }
  const started: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const end of started.reverse())
      await end().catch((error: unknown) => log('STOP_FAILED', String(error)))
  }
  await refuseSecondHead(home)
  if (options.chain !== null) await checkChain(options.chain)
  try {
    let devnet: Devnet | null = null
    let chain = options.chain
    if (options.devnet) {
      devnet = await startDevnet({ blockTimeSeconds: 1, stateFile: path.join(home, 'devnet', 'state.json') })
      started.push(() => devnet!.stop())
      const account = devAccount(devRoles.coordinator)
      chain = { config: await deployDevnet(devnet, account), account }
      log('DEVNET', `${devnet.rpcUrl}, escrow ${chain.config.escrow}`)
    }
    const network = await createNetwork(
      { privateKey: await loadOrCreateKey(folder), listen, agent: `murmur/${version}` },
      { clock, onFault: (fault) => log('NETWORK_FAULT', String(fault)) },
    )
    started.push(() => network.stop())
    const store = await openStore(folder, { libp2p: network.libp2p, clock })
    started.push(() => store.close())
    const engine = threadedOrtCpuEngine()
    const head = new Head(
      { token, version, chain },
      {
        network,
        store,
        clock,
        log,
        archive: await openRunArchive(path.join(folder, 'runs')),
        createAuditor: async (run, facts) => {
          const context = await loadRunContext(run, async (cid) => {
            const bytes = await store.blocks.get(cid)
            if (bytes === undefined) throw new Error(`block ${cid} is gone from the store`)
            return bytes
          })
          return new Auditor({ ...facts, context, engine, network, blocks: store.blocks })
        },
      },
    )
    head.start()
    started.push(() => head.stop())
    const api: Api = await serveApi(head, store.blocks, { port: apiPort, token: await apiToken(home) })
    started.push(() => api.close())
    const ready: HeadReady = {
      pid: process.pid,
      apiUrl: api.url,
      addresses: network.addresses(),
      chain: chain?.config ?? null,
      devnet: devnet !== null,
    }
    await writeReady(home, ready)
    started.push(() => rm(path.join(folder, 'ready.json'), { force: true }))
    log('HEAD_READY', `API ${api.url}, join with: murmur start --address ${network.addresses()[0]}`)
    return { ready, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Two heads with one folder would share a key and a store, and each would overwrite what the other says of itself. */
async function refuseSecondHead(home: string): Promise<void> {
  const running = await readReady(home)
  if (running === undefined || running.pid === process.pid) return
  // After a crash, the process id may be somebody else's by now: the API tells.
  const answers = await fetch(running.apiUrl, { signal: AbortSignal.timeout(2_000) }).then(
    () => true,
    () => false,
  )
  if (!answers) return
  throw new MurmurError('HEAD_RUNNING', {
    message: `a head with its state in ${home} is running already, as process ${running.pid}`,
    next: 'stop it with `murmur down` or Ctrl-C, or choose another folder with --home',
  })
}

/** A head that cannot pay says so at its start: RPC_UNREACHABLE, WRONG_CHAIN, ESCROW_MISSING. */
async function checkChain({ config, account }: NonNullable<HeadProcessOptions['chain']>): Promise<void> {
  const escrow = connectEscrow(config, account)
  await escrow.balanceOf(account.address)
  try {
    await escrow.accounting(`0x${'00'.repeat(32)}`)
  } catch (error) {
    // The escrow refuses the unknown run: so it is there.
    if (!isMurmurError(error, 'TX_REVERTED')) throw error
  }
}
