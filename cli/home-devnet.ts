import path from 'node:path'
import type { Account } from 'viem'
import { deployDevnet } from '../chain/deploy.ts'
import { startDevnet } from '../chain/devnet.ts'
import { type ChainConfig, connectEscrow } from '../chain/escrow.ts'
import { isMurmurError } from '../protocol/errors.ts'
import { readJson, writeJson } from './home.ts'
import { processIdentity } from './process-identity.ts'

interface Recorded {
  readonly pid: number
  /** Says that the process with that id is still the same one. */
  readonly identity: string | null
  readonly port: number
  readonly config: ChainConfig
}

export interface HomeDevnet {
  readonly config: ChainConfig
  stop(): Promise<void>
}

const stopTimeoutMs = 10_000

/**
 * The devnet of a home: the one that a head left running when it was killed, or one that goes on from the saved state on the
 * same port, or a new one with fresh contracts.
 */
export async function homeDevnet(home: string, deployer: Account): Promise<HomeDevnet> {
  const file = path.join(home, 'devnet', 'devnet.json')
  const recorded = await readJson<Recorded>(file)
  if (recorded !== undefined && (await isRunning(recorded)) && (await hasEscrow(recorded.config)))
    return { config: recorded.config, stop: () => endProcess(recorded) }
  const stateFile = path.join(home, 'devnet', 'state.json')
  const start = (port: number) => startDevnet({ blockTimeSeconds: 1, stateFile, port })
  const devnet = await start(recorded?.port ?? 0).catch((error: unknown) => {
    if (isMurmurError(error, 'PORT_IN_USE')) return start(0)
    throw error
  })
  try {
    const kept = recorded && { ...recorded.config, rpcUrl: devnet.rpcUrl }
    const config = kept && (await hasEscrow(kept)) ? kept : await deployDevnet(devnet, deployer)
    const { pid, port } = devnet
    await writeJson(file, { pid, identity: await processIdentity(pid), port, config } satisfies Recorded)
    return { config, stop: () => devnet.stop() }
  } catch (error) {
    await devnet.stop()
    throw error
  }
}

/** Whether that chain is there with its contracts: it refuses the run that nobody opened. */
async function hasEscrow(config: ChainConfig): Promise<boolean> {
  try {
    await connectEscrow(config).accounting(`0x${'00'.repeat(32)}`)
  } catch (error) {
    return isMurmurError(error, 'TX_REVERTED')
  }
  return true
}

const isRunning = async ({ pid, identity }: Recorded): Promise<boolean> =>
  identity !== null && (await processIdentity(pid)) === identity

/** anvil writes its state when it is asked to end. */
async function endProcess(recorded: Recorded): Promise<void> {
  process.kill(recorded.pid, 'SIGINT')
  const deadline = Date.now() + stopTimeoutMs
  while (await isRunning(recorded)) {
    if (Date.now() > deadline) return void process.kill(recorded.pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
