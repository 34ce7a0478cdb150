import type { Account } from 'viem'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { ChainConfig } from './escrow-port.ts'
import { devTokenAbi, devTokenBytecode } from './generated/dev-token.ts'
import { runEscrowAbi, runEscrowBytecode } from './generated/run-escrow.ts'
import { workerStakeAbi, workerStakeBytecode } from './generated/worker-stake.ts'
import { connectRpc, type RpcLimits, type TxResult } from './rpc.ts'

/** Long enough to see it wait, short enough to wait for it. A real deployment chooses days. */
const devnetUnbondingSeconds = 60

/**
 * Puts DevToken, RunEscrow and WorkerStake on a devnet; finds them there when the devnet was deployed to before, so
 * that it can be called at every start. Each version of a contract has an address of its own.
 */
export async function deployDevnet(
  devnet: { readonly rpcUrl: string; readonly chainId: number },
  deployer: Account | Hash,
  limits?: RpcLimits,
  unbondingSeconds = devnetUnbondingSeconds,
): Promise<ChainConfig> {
  const rpc = connectRpc(devnet, deployer, limits)
  const devToken = { abi: devTokenAbi, bytecode: devTokenBytecode } as const
  const token = await rpc.deploy('deploy the dev token', devToken)
  const runEscrow = { abi: runEscrowAbi, bytecode: runEscrowBytecode } as const
  const args = [token, unbondingSeconds]
  const workerStake = { abi: workerStakeAbi, bytecode: workerStakeBytecode, args } as const
  const [escrow, stake] = await Promise.all([
    rpc.deploy('deploy the escrow', runEscrow),
    rpc.deploy('deploy the stake', workerStake),
  ])
  return { rpcUrl: devnet.rpcUrl, chainId: devnet.chainId, escrow, token, stake }
}

/** Gives a devnet account dev tokens, in base units. Anyone may: they are worth nothing. */
export function mintDevTokens(
  config: ChainConfig,
  sender: Account | Hash,
  to: Address,
  amount: Wei,
  limits?: RpcLimits,
): Promise<TxResult> {
  return connectRpc(config, sender, limits).write('mint dev tokens', {
    address: config.token,
    abi: devTokenAbi,
    functionName: 'mint',
    args: [to, amount],
  })
}
