import { type Account, encodeAbiParameters, isAddressEqual, keccak256 } from 'viem'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Address, Hash } from '../protocol/ids.ts'
import { confirmationsOf } from './confirmations.ts'
import { readClaims, readFunders, readSettlement } from './escrow-history.ts'
import type { ChainConfig, Confirming, Escrow, Lease, RunState } from './escrow-port.ts'
import { runEscrowAbi } from './generated/run-escrow.ts'
import { connectRpc, type RpcLimits } from './rpc.ts'
import { allowSpending, tokenBalance, tokenErrorsAbi } from './token.ts'

export type * from './escrow-port.ts'

/** A run's id in the escrow: `RunEscrow.runIdOf`. It contains the coordinator, so that nobody can occupy it. */
export function escrowRunId(coordinator: Address, specDigest: Hash): Hash {
  return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [coordinator, specDigest]))
}

/** Connects to an escrow: read-only without an account, which is a viem account or a private key. */
export function connectEscrow(config: ChainConfig, account?: Account | Hash, limits?: RpcLimits): Escrow {
  const rpc = connectRpc(config, account, limits)
  const confirmations = confirmationsOf(config)
  const contract = { address: config.escrow, abi: runEscrowAbi } as const
  const writeAbi = [...runEscrowAbi, ...tokenErrorsAbi]

  const write = (doing: string, functionName: string, ...args: readonly unknown[]) =>
    rpc.write(doing, { address: config.escrow, abi: writeAbi, functionName, args })

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
      leader: found.leader,
      term: found.term,
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

  async function requireSameToken(escrowRun: Hash): Promise<void> {
    const { token } = await run(escrowRun)
    if (isAddressEqual(token, config.token)) return
    throw new MurmurError('WRONG_TOKEN', {
      message: `the run is paid in ${token}, not in the configured token ${config.token}`,
      next: 'correct chain.token',
    })
  }

  async function lease(escrowRun: Hash): Promise<Lease> {
    const { leader, term } = await run(escrowRun)
    return { leader, term }
  }

  const confirm = (blockNumber: bigint, signal: AbortSignal, confirming?: Confirming) =>
    rpc.awaitBlock(blockNumber + confirmations, signal, (newest) =>
      confirming?.(blockNumber, newest < blockNumber ? 0n : newest - blockNumber, confirmations),
    )

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
        terms.standbys ?? [],
      )
      return { ...sent, escrowRun: escrowRunId(rpc.account!, terms.specDigest) }
    },
    async fund(escrowRun, amount) {
      if (rpc.account) await requireSameToken(escrowRun)
      await allowSpending(rpc, config.token, config.escrow, amount, 'fund the run with')
      return write('fund the run', 'fund', escrowRun, amount)
    },
    async takeLease(escrowRun, term) {
      try {
        return await write(`lead in term ${term}`, 'takeLease', escrowRun, term)
      } catch (error) {
        if (!isMurmurError(error, 'LEASE_LOST') || rpc.account === undefined) throw error
        // Terms are dealt out, so nobody else of this account can have taken this one.
        const held = await lease(escrowRun)
        if (held.term === term && isAddressEqual(held.leader, rpc.account)) return null
        throw error
      }
    },
    closeEpoch: (escrowRun, epoch, historyRoot, term) =>
      write(`close epoch ${epoch}`, 'closeEpoch', escrowRun, epoch, historyRoot, term),
    async settleEpoch(escrowRun, { epoch, payoutRoot, cumulativeTotal, checkpoint, term }) {
      // One block more than the beacon: nodes simulate a transaction as if it were in the newest block.
      await rpc.awaitBlock((await closedAt(escrowRun, epoch)) + 2n)
      const doing = `settle epoch ${epoch}`
      return write(doing, 'settleEpoch', escrowRun, epoch, payoutRoot, cumulativeTotal, checkpoint, term)
    },
    claim: (escrowRun, owner, cumulative, proof) =>
      write('claim pay', 'claim', escrowRun, owner, cumulative, proof),
    finish: (escrowRun, term) => write('finish the run', 'finish', escrowRun, term),
    expire: (escrowRun) => write('expire the run', 'expire', escrowRun),
    refund: (escrowRun, funder) => write('refund a funder', 'refund', escrowRun, funder),

    run,
    lease,
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
    async settlement(escrowRun, epoch) {
      const closed = await closure(escrowRun, epoch)
      if (closed === undefined || (await run(escrowRun)).epochsSettled <= epoch) return undefined
      return await readSettlement(rpc, config, escrowRun, epoch, closed.blockNumber)
    },
    async beacon(escrowRun, epoch, signal, confirming) {
      for (;;) {
        const blockNumber = (await closedAt(escrowRun, epoch)) + 1n
        await confirm(blockNumber, signal, confirming)
        const block = await rpc.read('read the beacon', (client) => client.getBlock({ blockNumber }))
        // Meanwhile the close may have come into another block.
        if ((await closedAt(escrowRun, epoch)) + 1n === blockNumber)
          return { blockNumber, blockHash: block.hash }
      }
    },
    confirm,
    balanceOf: (owner) => tokenBalance(rpc, config.token, owner),
    funders: (escrowRun) => readFunders(rpc, config, escrowRun),
    claims: (escrowRun) => readClaims(rpc, config, { runId: escrowRun }),
    claimsOf: (account) => readClaims(rpc, config, { account }),
  }
}
