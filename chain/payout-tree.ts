import * as dagCbor from '@ipld/dag-cbor'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { bytesToBigInt, bytesToHex, getAddress, hexToBytes, numberToBytes, zeroHash } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Hash, Wei } from '../protocol/ids.ts'

/** Where a payout root is valid: a leaf of one run is of no use in another run, escrow or chain. */
export interface PayoutContext {
  readonly chainId: number
  readonly escrow: Address
  /** The run's id in the escrow. */
  readonly escrowRun: Hash
}

/** Cumulative pay of every account up to an epoch, under one Merkle root. */
export interface PayoutTree {
  readonly context: PayoutContext
  /** What `settleEpoch` anchors. Without entries it is zero, which no proof satisfies. */
  readonly root: Hash
  /** Sum of the cumulative pays. */
  readonly total: Wei
  /** Checksummed addresses in ascending order. */
  readonly entries: ReadonlyMap<Address, Wei>
  /** The siblings from the account's leaf to the root, for `claim`. Throws `PAYOUT_UNKNOWN` for another account. */
  proof(account: Address): readonly Hash[]
}

/** Bound of a tree: 65,536 leaves are a proof of 16 hashes, and a dump of about 2.5 MB. */
export const maxPayoutEntries = 65_536
/** Bound of a dump: an entry is at most 1 + 21 + 17 = 39 bytes of CBOR, and the head less than 256. */
export const maxPayoutBytes = 256 + maxPayoutEntries * 39

const format = 'murmuration/payouts/1'
const maxAmount = 2n ** 128n - 1n
/** The leaf of `RunEscrow.claim`: uint128 and uint256 encode alike. */
const leafTypes = ['uint256', 'address', 'bytes32', 'address', 'uint256']

/**
 * Builds the payout tree of cumulative pays in token base units (OpenZeppelin StandardMerkleTree, double-hashed
 * leaves). Throws `PAYOUTS_INVALID` on a bad address, a duplicate, an amount outside [1, 2¹²⁸), a sum outside it, or
 * more than {@link maxPayoutEntries} entries.
 */
export function payoutTree(context: PayoutContext, cumulative: ReadonlyMap<Address, Wei>): PayoutTree {
  if (cumulative.size > maxPayoutEntries) throw invalid(`more than ${maxPayoutEntries} accounts`)
  const entries = new Map<Address, Wei>()
  let total = 0n
  for (const [text, amount] of [...cumulative].sort(([a], [b]) => compare(a, b))) {
    const account = checksummed(text)
    if (entries.has(account)) throw invalid(`account ${account} twice`)
    if (amount < 1n || amount > maxAmount) throw invalid(`amount ${amount} of ${account}`)
    entries.set(account, amount)
    total += amount
  }
  if (total > maxAmount) throw invalid('a total of 2^128 or more')

  const leaves = [...entries].map(([account, amount]) => [
    String(context.chainId),
    checksummed(context.escrow),
    context.escrowRun,
    account,
    String(amount),
  ])
  const tree = leaves.length === 0 ? undefined : StandardMerkleTree.of(leaves, leafTypes)
  const place = new Map([...entries.keys()].map((account, index) => [account, index]))
  return {
    context,
    root: (tree?.root ?? zeroHash) as Hash,
    total,
    entries,
    proof(account) {
      const index = place.get(checksummed(account))
      if (tree === undefined || index === undefined) {
        throw new MurmurError('PAYOUT_UNKNOWN', {
          message: `account ${account} has no pay in this payout tree`,
          next: 'check the payout address, or wait for an epoch whose verified work is paid to it',
        })
      }
      return tree.getProof(index) as Hash[]
    },
  }
}

/** The tree's canonical bytes (DAG-CBOR): equal trees give equal bytes, so that they can be named by their CID. */
export function dumpPayouts(tree: PayoutTree): Uint8Array {
  return dagCbor.encode({
    format,
    chainId: tree.context.chainId,
    escrow: hexToBytes(tree.context.escrow),
    run: hexToBytes(tree.context.escrowRun),
    root: hexToBytes(tree.root),
    payouts: [...tree.entries].map(([account, amount]) => [hexToBytes(account), numberToBytes(amount)]),
  })
}

/**
 * Reads {@link dumpPayouts}' bytes, from anyone. Recomputes the root; throws `PAYOUTS_INVALID` unless the bytes are
 * within {@link maxPayoutBytes}, well-formed, canonical, and match their own root and `expectedRoot` where given.
 */
export function loadPayouts(bytes: Uint8Array, expectedRoot?: Hash): PayoutTree {
  if (bytes.byteLength > maxPayoutBytes) throw invalid(`${bytes.byteLength} bytes, above ${maxPayoutBytes}`)
  let decoded: unknown
  try {
    decoded = dagCbor.decode(bytes)
  } catch (cause) {
    throw invalid('bytes that are not DAG-CBOR', cause)
  }
  const head = decoded as Record<string, unknown> | null
  if (typeof head !== 'object' || head === null || head.format !== format) throw invalid('an unknown format')
  const { chainId, payouts } = head
  if (!Number.isSafeInteger(chainId) || (chainId as number) < 1) throw invalid('a bad chain id')
  if (!Array.isArray(payouts) || payouts.length > maxPayoutEntries) throw invalid('a bad list of payouts')
  const context: PayoutContext = {
    chainId: chainId as number,
    escrow: getAddress(bytesToHex(sized(head.escrow, 20))),
    escrowRun: bytesToHex(sized(head.run, 32)),
  }
  const entries = payouts.map((entry: unknown): readonly [Address, Wei] => {
    if (!Array.isArray(entry) || entry.length !== 2) throw invalid('a malformed entry')
    const amount: unknown = entry[1]
    if (!(amount instanceof Uint8Array) || amount.length > 16) throw invalid('a malformed amount')
    return [getAddress(bytesToHex(sized(entry[0], 20))), bytesToBigInt(amount)]
  })

  const tree = payoutTree(context, new Map(entries))
  if (expectedRoot !== undefined && tree.root !== expectedRoot.toLowerCase()) {
    throw invalid(`root ${tree.root}, not the expected ${expectedRoot}`)
  }
  // Refuses at once another root, another order, an account twice, unknown fields and padded amounts.
  const canonical = dumpPayouts(tree)
  if (canonical.length !== bytes.length || canonical.some((byte, index) => byte !== bytes[index])) {
    throw invalid('bytes that are not the canonical ones of their entries and root')
  }
  return tree
}

function sized(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length)
    throw invalid(`a field that is not ${length} bytes`)
  return value
}

function checksummed(text: string): Address {
  try {
    return getAddress(text)
  } catch (cause) {
    throw invalid(`address ${text.slice(0, 64)}`, cause)
  }
}

const compare = (a: string, b: string): number => {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()]
  return left < right ? -1 : left > right ? 1 : 0
}

function invalid(what: string, cause?: unknown): MurmurError {
  return new MurmurError('PAYOUTS_INVALID', {
    message: `payouts refused: ${what}`,
    next: 'fetch the payouts again by the CID in the epoch record, or recompute them from the verdicts',
    exit: 'verification',
    cause,
  })
}
