import { reorganizedError, unconfirmedError } from '../chain/errors.ts'
import type { Beacon, Confirming, Escrow, Settlement } from '../chain/escrow-port.ts'
import type { PayoutContext } from '../chain/payout-tree.ts'
import type { TxResult } from '../chain/rpc.ts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Hash, Wei } from '../protocol/ids.ts'

/** Where the money of a run is, and what an epoch of it pays. */
export interface RunMoney {
  readonly escrow: Escrow
  readonly context: PayoutContext
  readonly epochReward: Wei
  /** Told what an epoch's confirmation waits for, and null when that is over. */
  readonly waiting?: (text: string | null) => void
  /** The leadership in which this head moves the run on chain: 0 until it has taken a lease. */
  term(): number
}

/* Each step asks the chain first what of it is done, so that it can be repeated after any failure. */

/**
 * Anchors an epoch's history, unless it is anchored, and resolves to the confirmed beacon.
 * @throws MurmurError CLOSED_OTHERWISE; EPOCH_NOT_CLOSED where the chain forgot the close meanwhile.
 */
export async function closeOnChain(
  money: RunMoney,
  epoch: number,
  history: Hash,
  signal: AbortSignal,
): Promise<Beacon> {
  const { escrow, context } = money
  const anchored = await escrow.historyRoot(context.escrowRun, epoch)
  if (anchored === undefined)
    await moving(money, epoch, (term) => escrow.closeEpoch(context.escrowRun, epoch, history, term))
  else if (anchored !== history) throw closedOtherwise(epoch, history)
  return await confirmed(money, epoch, (told) => escrow.beacon(context.escrowRun, epoch, signal, told))
}

/** @throws MurmurError CHAIN_REORGANIZED where the chain names another beacon than the one that was audited by. */
export async function settleOnChain(
  money: RunMoney,
  audited: Hash,
  signal: AbortSignal,
  settlement: Omit<Settlement, 'term'>,
): Promise<TxResult> {
  const { escrow, context } = money
  const { epoch } = settlement
  const { blockNumber, blockHash } = await escrow.beacon(context.escrowRun, epoch, signal)
  if (blockHash !== audited)
    throw reorganizedError(`block ${blockNumber}, the beacon of epoch ${epoch}, is another one`)
  return await moving(money, epoch, (term) => escrow.settleEpoch(context.escrowRun, { ...settlement, term }))
}

/** @throws MurmurError CHAIN_REORGANIZED where the settlement does not stay in its block until that is confirmed. */
export async function confirmSettled(
  money: RunMoney,
  epoch: number,
  payoutRoot: Hash,
  blockNumber: bigint,
  signal: AbortSignal,
): Promise<void> {
  const { escrow, context } = money
  await confirmed(money, epoch, (told) => escrow.confirm(blockNumber, signal, told))
  const stands = await escrow.settlement(context.escrowRun, epoch)
  if (stands?.blockNumber !== blockNumber || stands.payoutRoot !== payoutRoot)
    throw reorganizedError(`the settlement of epoch ${epoch} is not in block ${blockNumber} any more`)
}

async function confirmed<T>(
  { waiting }: RunMoney,
  epoch: number,
  wait: (told: Confirming) => Promise<T>,
): Promise<T> {
  try {
    return await wait((block, confirmations, needed) =>
      waiting?.(
        `epoch ${epoch + 1}: waiting for block ${block + needed} (${confirmations} of ${needed} confirmations)`,
      ),
    )
  } finally {
    waiting?.(null)
  }
}

/**
 * Sends one step of an epoch. A transaction of ours that was pooled when the chain was asked may have done it meanwhile:
 * then asking again will tell. What an epoch lacks that comes before it is not coming: that one failed for good.
 * @throws MurmurError TX_UNCONFIRMED where it may be done already.
 */
async function moving<T>(money: RunMoney, epoch: number, call: (term: number) => Promise<T>): Promise<T> {
  try {
    return await leading(money, call)
  } catch (error) {
    if (isMurmurError(error, 'TX_REVERTED') && (await isDone(money, epoch, error)))
      throw unconfirmedError(`a transaction for epoch ${epoch} is on its way already`, error)
    throw error
  }
}

async function isDone({ escrow, context }: RunMoney, epoch: number, refused: MurmurError): Promise<boolean> {
  const { error, expected } = refused.details
  if (error === 'EpochOutOfOrder') return Number(expected) > epoch
  if (error !== 'RunAlreadyEnded') return false
  // The last settlement ends the run; so do `finish` and `expire`, which leave the epoch unsettled.
  const { ended, epochsSettled } = await escrow.run(context.escrowRun)
  return !ended || epochsSettled > epoch
}

/**
 * Where the chain, or the node that answers, does not know that this head took the lease, takes it again.
 * @throws MurmurError LEASE_LOST where another leads; CHAIN_REORGANIZED where nodes do not agree on it yet.
 */
async function leading<T>(
  { escrow, context, term }: RunMoney,
  call: (term: number) => Promise<T>,
): Promise<T> {
  try {
    return await call(term())
  } catch (error) {
    if (!isBehind(error, term())) throw error
  }
  try {
    await escrow.takeLease(context.escrowRun, term())
    return await call(term())
  } catch (error) {
    throw isBehind(error, term()) ? reorganizedError('it does not know the lease of this head', error) : error
  }
}

/** Refused by a state of the chain in which nobody has led in a higher term yet. */
const isBehind = (error: unknown, term: number): boolean =>
  isMurmurError(error, 'LEASE_LOST') && Number(error.details.term) <= term

/** The beacon was drawn for the history that is anchored: another one could not be audited by it. */
const closedOtherwise = (epoch: number, history: Hash): MurmurError =>
  new MurmurError('CLOSED_OTHERWISE', {
    message: `epoch ${epoch} is closed on chain with another history than ${history}`,
    next: 'take over the manifests of the head that closed it, then settle the epoch',
    exit: 'verification',
  })
