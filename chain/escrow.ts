import { type Account, encodeAbiParameters, erc20Abi, isAddressEqual, keccak256, parseAbi } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Hash, Wei } from '../protocol/ids.ts'
import { readClaims, readFunders } from './escrow-history.ts'
import type { ChainConfig, Escrow, RunState } from './escrow-port.ts'
import { runEscrowAbi } from './generated/run-escrow.ts'
import { connectRpc, type RpcLimits } from './rpc.ts'

export type * from './escrow-port.ts'

/** A run's id in the escrow: `RunEscrow.runIdOf`. It contains the coordinator, so that nobody can occupy it. */
export function escrowRunId(coordinator: Address, specDigest: Hash): Hash {
  return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [coordinator, specDigest]))
}

/** Without `returns`, so that tokens that return nothing can be approved too. */
const approveAbi = parseAbi(['function approve(address spender, uint256 amount)'])
/** The escrow's own errors, and those of the token that come out through it (ERC-6093). */
const writeAbi = [
  ...runEscrowAbi,
  ...parseAbi([
    'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
    'error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)',
    'error SafeERC20FailedOperation(address token)',
  ]),
]

/** Connects to an escrow: read-only without an account, which is a viem account or a private key. */
export function connectEscrow(config: ChainConfig, account?: Account | Hash, limits?: RpcLimits): Escrow {
  const rpc = connectRpc(config, account, limits)
  const contract = { address: config.escrow, abi: runEscrowAbi } as const
  const token = { address: config.token, abi: erc20Abi } as const

  const write = (doing: string, functionName: string, ...args: readonly unknown[]) =>
    rpc.write(doing, { address: config.escrow, abi: writeAbi, functionName, args })

  const balanceOf = (owner: Address) =>
    rpc.read('read a balance', (client) =>
      client.readContract({ ...token, functionName: 'balanceOf', args: [owner] }),
    )

  async function closure(escrowRun: Hash, epoch: number) {
    const [historyRoot, blockNumber] = await rpc.read('read an epoch', (client) =>
      client.readContract({ ...contract, functionName: 'closure', args: [escrowRun, epoch] }),
    )
    return blockNumber === 0n ? undefined : { historyRoot, blockNumber }
  }

  async function closedAt(escrowRun: Hash, epoch: number): Promise<bigint> {
    const found = await closure(escrowRun, epoch)
    if (found) return found.blockNumber
    throw new MurmurError('EPOCH_NOT_CLOSED', {
      message: `epoch ${epoch} of ${escrowRun} is not closed on chain`,
      next: 'close the epoch first',
    })
  }

  async function run(escrowRun: Hash): Promise<RunState> {
    const found = await rpc.read('read the run', (client) =>
      client.readContract({ ...contract, functionName: 'runs', args: [escrowRun] }),
    )
    return {
      coordinator: found.coordinator,
      token: found.token,
      epochReward: found.epochReward,
      epochs: found.epochs,
      disputeWindowSeconds: found.disputeWindowSeconds,
      deadline: Number(found.deadline),
      epochsClosed: found.epochsClosed,
      epochsSettled: found.epochsSettled,
      ended: found.ended,
    }
  }

  async function prepareFunding(owner: Address, escrowRun: Hash, amount: Wei): Promise<void> {
    const { token: runToken } = await run(escrowRun)
    if (!isAddressEqual(runToken, config.token)) {
      throw new MurmurError('WRONG_TOKEN', {
        message: `the run is paid in ${runToken}, not in the configured token ${config.token}`,
        next: 'correct chain.token',
      })
    }
    const balance = await balanceOf(owner)
    if (balance < amount) {
      throw new MurmurError('INSUFFICIENT_FUNDS', {
        message: `${owner} holds ${balance} token base units, fewer than the ${amount} to fund the run with`,
        next: 'send tokens to the account, or fund a smaller amount',
        exit: 'funds',
        details: { balance, amount },
      })
    }
    const allowance = await rpc.read('read an allowance', (client) =>
      client.readContract({ ...token, functionName: 'allowance', args: [owner, config.escrow] }),
    )
    if (allowance < amount) {
      await rpc.write('approve the escrow', {
        address: config.token,
        abi: approveAbi,
        functionName: 'approve',
        args: [config.escrow, amount],
      })
    }
  }

  return {
    config,
    account: rpc.account,
    async createRun(terms) {
      const sent = await write(
        'create the run',
        'createRun',
        terms.specDigest,
        config.token,
        terms.epochReward,
        terms.epochs,
        terms.disputeWindowSeconds,
        BigInt(terms.deadline),
      )
      return { ...sent, escrowRun: escrowRunId(rpc.account!, terms.specDigest) }
    },
    async fund(escrowRun, amount) {
      if (rpc.account) await prepareFunding(rpc.account, escrowRun, amount)
      return write('fund the run', 'fund', escrowRun, amount)
    },
    closeEpoch: (escrowRun, epoch, historyRoot) =>
      write(`close epoch ${epoch}`, 'closeEpoch', escrowRun, epoch, historyRoot),
    async settleEpoch(escrowRun, { epoch, payoutRoot, cumulativeTotal, checkpoint }) {
      // One block more than the beacon: nodes simulate a transaction as if it were in the newest block.
      await rpc.awaitBlock((await closedAt(escrowRun, epoch)) + 2n, rpc.deadline())
      const doing = `settle epoch ${epoch}`
      return write(doing, 'settleEpoch', escrowRun, epoch, payoutRoot, cumulativeTotal, checkpoint)
    },
    claim: (escrowRun, owner, cumulative, proof) =>
      write('claim pay', 'claim', escrowRun, owner, cumulative, proof),
    finish: (escrowRun) => write('finish the run', 'finish', escrowRun),
    expire: (escrowRun) => write('expire the run', 'expire', escrowRun),
    refund: (escrowRun, funder) => write('refund a funder', 'refund', escrowRun, funder),

    run,
    async accounting(escrowRun) {
      const [funded, reserved, claimed, unspent, refunded] = await rpc.read('read the accounting', (client) =>
        client.readContract({ ...contract, functionName: 'accounting', args: [escrowRun] }),
      )
      return { funded, reserved, claimed, unspent, refunded }
    },
    async refundable(escrowRun, funder) {
      const [, value] = await rpc.read('read the funding', (client) =>
        client.readContract({ ...contract, functionName: 'funding', args: [escrowRun, funder] }),
      )
      return value
    },
    claimed: (escrowRun, owner) =>
      rpc.read('read the claims', (client) =>
        client.readContract({ ...contract, functionName: 'claimedBy', args: [escrowRun, owner] }),
      ),
    async finalized(escrowRun) {
      const [epochs, payoutRoot, cumulativeTotal] = await rpc.read('read the final epoch', (client) =>
        client.readContract({ ...contract, functionName: 'finalized', args: [escrowRun] }),
      )
      return { epochs, payoutRoot, cumulativeTotal }
    },
    historyRoot: async (escrowRun, epoch) => (await closure(escrowRun, epoch))?.historyRoot,
    async beacon(escrowRun, epoch, signal) {
      const blockNumber = (await closedAt(escrowRun, epoch)) + 1n
      await rpc.awaitBlock(blockNumber, signal)
      const block = await rpc.read('read the beacon', (client) => client.getBlock({ blockNumber }))
      return { blockNumber, blockHash: block.hash }
    },
    balanceOf,
    funders: (escrowRun) => readFunders(rpc, config, escrowRun),
    claims: (escrowRun) => readClaims(rpc, config, escrowRun),
  }
}
