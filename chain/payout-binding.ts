import { type LocalAccount, recoverTypedDataAddress } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Address } from '../protocol/ids.ts'

/** "Pay what this peer earns to the address that signed this." */
export interface PayoutBinding {
  /** The node's libp2p peer id, in text form. */
  readonly peerId: string
  /** The cluster it is for; empty for any. */
  readonly cluster?: string
}

/** EIP-712. No chain id and no contract: an address is the same on every chain, and the binding moves no money. */
const domain = { name: 'Murmuration', version: '1' } as const
const types = {
  PayoutBinding: [
    { name: 'peerId', type: 'string' },
    { name: 'cluster', type: 'string' },
  ],
} as const

const typedData = ({ peerId, cluster = '' }: PayoutBinding) =>
  ({ domain, types, primaryType: 'PayoutBinding', message: { peerId, cluster } }) as const

/** Signs, with the payout account's key, that `peerId` earns for it. Returns 65 bytes as hex. */
export function signPayoutBinding(account: LocalAccount, binding: PayoutBinding): Promise<`0x${string}`> {
  return account.signTypedData(typedData(binding))
}

/**
 * The address that signed the binding. A signature over another binding recovers to *another* address, so compare
 * it with the address that the peer claims: pass `expected`. Throws `PAYOUT_BINDING_INVALID`.
 */
export async function verifyPayoutBinding(
  binding: PayoutBinding,
  signature: `0x${string}`,
  expected: Address,
): Promise<Address> {
  let recovered: Address | undefined
  try {
    recovered = await recoverTypedDataAddress({ ...typedData(binding), signature })
  } catch (cause) {
    throw refused(`its signature is malformed`, cause)
  }
  if (recovered.toLowerCase() !== expected.toLowerCase()) throw refused(`it was not signed by ${expected}`)
  return recovered
}

function refused(why: string, cause?: unknown): MurmurError {
  return new MurmurError('PAYOUT_BINDING_INVALID', {
    message: `the payout address of the peer is refused: ${why}`,
    next: 'sign the binding of this peer id and cluster with the key of the payout address',
    exit: 'auth',
    cause,
  })
}
