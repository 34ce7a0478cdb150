import { type ContractEventName, type GetContractEventsReturnType, getAddress, type PublicClient } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import type { ChainConfig, Claim, Funder, SettledOnChain } from './escrow-port.ts'
import { runEscrowAbi } from './generated/run-escrow.ts'
import type { Rpc } from './rpc.ts'

/** Public nodes refuse event queries over more blocks than this, most of them. */
const blocksPerQuery = 10_000n

type EscrowEvents<Name extends ContractEventName<typeof runEscrowAbi>> = GetContractEventsReturnType<
  typeof runEscrowAbi,
  Name,
  true
>

/** The escrow's events of one name, oldest first, a page of blocks at a time. */
async function* pages<const Name extends ContractEventName<typeof runEscrowAbi>>(
  rpc: Rpc,
  config: ChainConfig,
  eventName: Name,
  args: { readonly runId?: Hash; readonly account?: Address; readonly epoch?: number },
  fromBlock = BigInt(config.deployedBlock ?? 0),
): AsyncGenerator<EscrowEvents<Name>, void> {
  const latest = await rpc.read('read the newest block', (client) => client.getBlockNumber())
  const query = (client: PublicClient, from: bigint, to: bigint) =>
    client.getContractEvents({
      address: config.escrow,
      abi: runEscrowAbi,
      eventName: eventName as 'Claimed',
      args,
      fromBlock: from,
      toBlock: to,
      strict: true,
    })
  for (let from = fromBlock; from <= latest; from += blocksPerQuery) {
    const last = from + blocksPerQuery - 1n
    const found = await rpc.read(`read ${eventName} events`, (client) =>
      query(client, from, last < latest ? last : latest),
    )
    yield found as unknown as EscrowEvents<Name>
  }
}

/** What each funder gave and got back, in the order of their first funding. */
export async function readFunders(
  rpc: Rpc,
  config: ChainConfig,
  escrowRun: Hash,
): Promise<readonly Funder[]> {
  const amounts = new Map<Address, Wei>()
  const refunds = new Map<Address, Wei>()
  const add = (sums: Map<Address, Wei>, account: Address, amount: Wei) =>
    sums.set(getAddress(account), (sums.get(getAddress(account)) ?? 0n) + amount)
  for await (const page of pages(rpc, config, 'Funded', { runId: escrowRun })) {
    for (const { args } of page) add(amounts, args.funder, args.amount)
  }
  for await (const page of pages(rpc, config, 'Refunded', { runId: escrowRun })) {
    for (const { args } of page) add(refunds, args.funder, args.amount)
  }
  return [...amounts].map(([funder, amount]) => ({ funder, amount, refunded: refunds.get(funder) ?? 0n }))
}

/** Every claim that was paid, of a run or of an account, in the chain's order. */
export async function readClaims(
  rpc: Rpc,
  config: ChainConfig,
  of: { readonly runId: Hash } | { readonly account: Address },
): Promise<readonly Claim[]> {
  const claims: Claim[] = []
  for await (const page of pages(rpc, config, 'Claimed', of)) {
    for (const { args, blockNumber, transactionHash } of page) {
      const account = getAddress(args.account)
      claims.push({
        escrowRun: args.runId,
        account,
        amount: args.amount,
        blockNumber,
        txHash: transactionHash,
      })
    }
  }
  return claims
}

/** The settlement of an epoch that is known to be settled. `closedAt` is the block of its close: it came later. */
export async function readSettlement(
  rpc: Rpc,
  config: ChainConfig,
  escrowRun: Hash,
  epoch: number,
  closedAt: bigint,
): Promise<SettledOnChain> {
  for await (const page of pages(rpc, config, 'EpochSettled', { runId: escrowRun, epoch }, closedAt)) {
    const settled = page[0]
    if (settled === undefined) continue
    const { args, blockNumber, transactionHash } = settled
    const { gasUsed } = await rpc.read('read a receipt', (client) =>
      client.getTransactionReceipt({ hash: transactionHash }),
    )
    return {
      epoch,
      payoutRoot: args.payoutRoot,
      cumulativeTotal: args.cumulativeTotal,
      checkpoint: args.checkpoint,
      finalizesAt: Number(args.finalizesAt),
      txHash: transactionHash,
      gasUsed,
      blockNumber,
    }
  }
  throw new MurmurError('EVENTS_MISSING', {
    message: `the chain at ${config.rpcUrl} says that epoch ${epoch} is settled, and does not show by what`,
    next: 'ask again: the node may lag behind; if it stays so, use a node that keeps the events of old blocks',
    exit: 'unreachable',
  })
}
