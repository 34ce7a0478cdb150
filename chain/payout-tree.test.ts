import * as dagCbor from '@ipld/dag-cbor'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { getAddress, toHex, zeroHash } from 'viem'
import { expect, test } from 'vitest'
import { isMurmurError } from '../protocol/errors.ts'
import type { Address } from '../protocol/ids.ts'
import {
  dumpPayouts,
  loadPayouts,
  maxPayoutBytes,
  maxPayoutEntries,
  type PayoutContext,
  payoutTree,
} from './payout-tree.ts'

const context: PayoutContext = {
  chainId: 31_337,
  escrow: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
  escrowRun: toHex(7n, { size: 32 }),
}
const address = (n: bigint): Address => getAddress(toHex(n, { size: 20 }))
const addresses = fc.bigInt({ min: 1n, max: 2n ** 160n - 1n }).map(address)
const amounts = fc.bigInt({ min: 1n, max: 2n ** 90n })
const payouts = fc
  .uniqueArray(fc.tuple(addresses, amounts), { selector: ([account]) => account, maxLength: 40 })
  .map((entries) => new Map(entries))

const refused = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return isMurmurError(error, 'PAYOUTS_INVALID')
  }
  return false
}

test('every proof verifies against the root, for its own account, amount and run only', () => {
  fc.assert(
    fc.property(payouts, (cumulative) => {
      const tree = payoutTree(context, cumulative)
      const types = ['uint256', 'address', 'bytes32', 'address', 'uint256']
      const verify = (run: string, account: Address, amount: bigint, proof: readonly string[]) =>
        StandardMerkleTree.verify(
          tree.root,
          types,
          [String(context.chainId), context.escrow, run, account, String(amount)],
          [...proof],
        )
      for (const [account, amount] of cumulative) {
        const proof = tree.proof(account)
        expect(verify(context.escrowRun, account, amount, proof)).toBe(true)
        expect(verify(context.escrowRun, account, amount + 1n, proof)).toBe(false)
        expect(verify(zeroHash, account, amount, proof)).toBe(false)
      }
      expect(tree.total).toBe([...cumulative.values()].reduce((sum, amount) => sum + amount, 0n))
    }),
    { numRuns: 30 },
  )
})

test('the same payouts in any order give the same root and bytes, and load gives them back', () => {
  fc.assert(
    fc.property(payouts, (cumulative) => {
      const tree = payoutTree(context, cumulative)
      const bytes = dumpPayouts(tree)
      const reversed = new Map([...cumulative].reverse())
      expect(dumpPayouts(payoutTree(context, reversed))).toEqual(bytes)
      const loaded = loadPayouts(bytes, tree.root)
      expect(loaded.root).toBe(tree.root)
      expect(loaded.total).toBe(tree.total)
      expect([...loaded.entries]).toEqual([...tree.entries])
      expect(loaded.context).toEqual(context)
    }),
    { numRuns: 30 },
  )
})

test('no dump with a changed byte is accepted', () => {
  const bytes = dumpPayouts(
    payoutTree(
      context,
      new Map([
        [address(1n), 5n],
        [address(2n), 6n],
      ]),
    ),
  )
  for (let index = 0; index < bytes.length; index++) {
    for (const flip of [1, 0x20, 0x80]) {
      const tampered = bytes.slice()
      tampered[index]! ^= flip
      expect(
        refused(() => loadPayouts(tampered)),
        `byte ${index} ^ ${flip}`,
      ).toBe(true)
    }
  }
  expect(refused(() => loadPayouts(bytes, zeroHash))).toBe(true)
  expect(refused(() => loadPayouts(bytes.subarray(1)))).toBe(true)
})

test('loading is bounded, and refuses other shapes, doubled accounts and other orders', () => {
  expect(refused(() => loadPayouts(new Uint8Array(maxPayoutBytes + 1)))).toBe(true)
  const head = dagCbor.decode(
    dumpPayouts(
      payoutTree(
        context,
        new Map([
          [address(1n), 5n],
          [address(2n), 6n],
        ]),
      ),
    ),
  ) as {
    payouts: Uint8Array[][]
  }
  const swapped = { ...head, payouts: [...head.payouts].reverse() }
  const doubled = { ...head, payouts: [head.payouts[0], head.payouts[0]] }
  const padded = {
    ...head,
    payouts: head.payouts.map(([who, amount]) => [who, new Uint8Array([0, ...amount!])]),
  }
  for (const other of [
    swapped,
    doubled,
    padded,
    { ...head, extra: 1 },
    { ...head, payouts: 3 },
    null,
    3,
    [],
  ]) {
    expect(refused(() => loadPayouts(dagCbor.encode(other)))).toBe(true)
  }
})

test('bad entries are refused; no entries have a root that nothing proves', () => {
  const tooMany = new Map(
    Array.from({ length: maxPayoutEntries + 1 }, (_, i) => [address(BigInt(i + 1)), 1n]),
  )
  expect(refused(() => payoutTree(context, tooMany))).toBe(true)
  expect(refused(() => payoutTree(context, new Map([[address(1n), 0n]])))).toBe(true)
  expect(refused(() => payoutTree(context, new Map([[address(1n), 2n ** 128n]])))).toBe(true)
  expect(refused(() => payoutTree(context, new Map([['0x12', 1n]])))).toBe(true)
  const sum = new Map([
    [address(1n), 2n ** 128n - 1n],
    [address(2n), 1n],
  ])
  expect(refused(() => payoutTree(context, sum))).toBe(true)
  const lower = address(0xabcdefn).toLowerCase() as Address
  expect(
    refused(() =>
      payoutTree(
        context,
        new Map([
          [address(0xabcdefn), 1n],
          [lower, 1n],
        ]),
      ),
    ),
  ).toBe(true)
  const empty = payoutTree(context, new Map())
  expect(empty.root).toBe(zeroHash)
  expect(loadPayouts(dumpPayouts(empty)).total).toBe(0n)
  expect(() => empty.proof(address(1n))).toThrowError(/has no pay/)
})
