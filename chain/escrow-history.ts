import { type ContractEventName, type GetContractEventsReturnType, getAddress, type PublicClient } from 'viem'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { ChainConfig, Claim, Funder } from './escrow-port.ts'
import { runEscrowAbi } from './generated/run-escrow.ts'
import type { Rpc } from './rpc.ts'

/** Public nodes refuse event queries over more blocks than this, most of them. */
const blocksPerQuery = 10_000n

async function events<const Name extends ContractEventName<typeof runEscrowAbi>>(
  rpc: Rpc,
  config: ChainConfig,
  eventName: Name,
  runId: Hash,
): Promise<GetContractEventsReturnType<typeof runEscrowAbi, Name, true>> {
  const latest = await rpc.read('read the newest block', (client) => client.getBlockNumber())
  const query = (client: PublicClient, fromBlock: bigint, toBlock: bigint) =>
    client.getContractEvents({
      address: config.escrow,
      abi: runEscrowAbi,
      eventName: eventName as 'Funded',
      args: { runId },
      fromBlock,
      toBlock,
      strict: true,
    })
  const found: unknown[] = []
  for (let from = BigInt(config.deployedBlock ?? 0); from <= latest; from += blocksPerQuery) {
    const last = from + blocksPerQuery - 1n
    found.push(
      ...(await rpc.read(`read ${eventName} events`, (client) =>
        query(client, from, last < latest ? last : latest),
      )),
    )
  }
  return found as unknown as GetContractEventsReturnType<typeof runEscrowAbi, Name, true>
}

/** What each funder gave and got back, in the order of their first funding. */
export async function readFunders(
  rpc: Rpc,
  config: ChainConfig,
  escrowRun: Hash,
): Promise<readonly Funder[]> {
  const amounts = new Map<Address, Wei>()
  for (const { args } of await events(rpc, config, 'Funded', escrowRun)) {
    const funder = getAddress(args.funder)
    amounts.set(funder, (amounts.get(funder) ?? 0n) + args.amount)
  }
  const refunds = new Map<Address, Wei>()
  for (const { args } of await events(rpc, config, 'Refunded', escrowRun)) {
    const funder = getAddress(args.funder)
    refunds.set(funder, (refunds.get(funder) ?? 0n) + args.amount)
  }
  return [...amounts].map(([funder, amount]) => ({ funder, amount, refunded: refunds.get(funder) ?? 0n }))
}

/** Every claim of a run that was paid, in the chain's order. */
export async function readClaims(rpc: Rpc, config: ChainConfig, escrowRun: Hash): Promise<readonly Claim[]> {
  const found = await events(rpc, config, 'Claimed', escrowRun)
  return found.map(({ args, blockNumber, transactionHash }) => ({
    account: getAddress(args.account),
    amount: args.amount,
    blockNumber,
    txHash: transactionHash,
  }))
}
