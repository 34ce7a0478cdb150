import { isAddress } from 'viem'
import { verifyPayoutBinding } from '../chain/payout-binding.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { WorkerId } from '../protocol/ids.ts'
import type { Payout } from '../worker/head-link.ts'

/**
 * An address whose key is elsewhere, with its consent to be paid for this node's work. Its pay is claimed by whoever has
 * the key, or by anyone for it.
 * @throws MurmurError PAYOUT_INVALID, PAYOUT_UNSIGNED (exit `usage`), PAYOUT_BINDING_INVALID
 */
export async function signedPayout(
  payout: string,
  signature: string | undefined,
  peerId: WorkerId,
): Promise<Payout> {
  if (!isAddress(payout)) {
    throw new MurmurError('PAYOUT_INVALID', {
      message: `--payout ${payout.slice(0, 80)} is not an address (or its checksum is wrong)`,
      next: 'give 0x and 40 hexadecimal digits, as your wallet shows it',
      exit: 'usage',
    })
  }
  if (signature === undefined || !isSignature(signature)) {
    throw new MurmurError('PAYOUT_UNSIGNED', {
      message: `${payout} has not signed that it is paid for the work of this node, ${peerId}`,
      next: `where its key is, run \`murmur worker bind ${peerId} --account-key FILE\`, and pass here what it prints with --payout-signature`,
      exit: 'usage',
    })
  }
  await verifyPayoutBinding({ peerId }, signature, payout)
  return { address: payout, signature }
}

/** r, s and v of secp256k1. */
const isSignature = (text: string): text is `0x${string}` => /^0x[0-9a-fA-F]{130}$/.test(text)
