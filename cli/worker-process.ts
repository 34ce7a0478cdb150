import type { LocalAccount } from 'viem'
import { openStore } from '../checkpoints/store.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { createNetwork } from '../network/node.ts'
import { threadedOrtCpuEngine } from '../worker/engine/threaded-engine.ts'
import { WorkerNode } from '../worker/node.ts'
import { log } from './log.ts'
import { version } from './version.ts'

export interface WorkerProcessOptions {
  readonly folder: string
  readonly addresses: readonly string[]
  readonly listen: readonly string[]
  readonly token: string
  readonly account: LocalAccount | null
}

export interface WorkerProcess {
  /** Settles when the worker's life is over: rejects with why, when it did not end by `stop`. */
  readonly life: Promise<void>
  stop(): Promise<void>
}

/** Wires a worker: network, embedded IPFS, engine. */
export async function startWorker(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const { folder, addresses, listen, token, account } = options
  const clock = { now: () => Date.now() }
  const network = await createNetwork(
    { privateKey: await loadOrCreateKey(folder), listen, agent: `murmur/${version}` },
    { clock, onFault: (fault) => log('NETWORK_FAULT', String(fault)) },
  )
  const store = await openStore(folder, { libp2p: network.libp2p, clock })
  const node = new WorkerNode(
    { addresses, token, account, agent: `murmur/${version}` },
    { network, store, engine: threadedOrtCpuEngine(), clock, log },
  )
  const stop = async () => {
    await node.stop()
    await store.close()
    await network.stop()
  }
  return { life: node.live(), stop }
}
