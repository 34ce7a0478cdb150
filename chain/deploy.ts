import { type Account, getAddress, getContractAddress } from 'viem'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { ChainConfig } from './escrow-port.ts'
import { devTokenAbi, devTokenBytecode } from './generated/dev-token.ts'
import { runEscrowAbi, runEscrowBytecode } from './generated/run-escrow.ts'
import { connectRpc, type RpcLimits, type TxResult } from './rpc.ts'

/**
 * Puts DevToken and RunEscrow on a devnet, as the deployer's first two transactions; finds them there when the devnet
 * was deployed to before, so that it can be called at every start.
 */
export async function deployDevnet(
  devnet: { readonly rpcUrl: string; readonly chainId: number },
  deployer: Account | Hash,
  limits?: RpcLimits,
): Promise<ChainConfig> {
  const rpc = connectRpc(devnet, deployer, limits)
  const from = rpc.account!
  const placed = async (
    nonce: bigint,
    what: string,
    deploy: () => Promise<{ readonly address: Address }>,
  ) => {
    const address = getContractAddress({ from, nonce })
    const code = await rpc.read(`look for ${what}`, (client) => client.getCode({ address }))
    return getAddress(code === undefined ? (await deploy()).address : address)
  }
  const token = await placed(0n, 'the dev token', () =>
    rpc.deploy('deploy the dev token', devTokenAbi, devTokenBytecode),
  )
  const escrow = await placed(1n, 'the escrow', () =>
    rpc.deploy('deploy the escrow', runEscrowAbi, runEscrowBytecode),
  )
  return { rpcUrl: devnet.rpcUrl, chainId: devnet.chainId, escrow, token }
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
