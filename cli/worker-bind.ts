import { peerIdFromString } from '@libp2p/peer-id'
import { signPayoutBinding } from '../chain/payout-binding.ts'
import { MurmurError } from '../protocol/errors.ts'
import { accountFromFile } from './accounts.ts'

/**
 * Signs that a worker's pay goes to the address of this key, which so never has to be on the worker's host.
 * @throws MurmurError PEER_INVALID, ACCOUNT_KEY_UNREADABLE, ACCOUNT_KEY_INVALID (exit `usage`)
 */
export async function workerBindCommand(
  peer: string,
  options: { readonly accountKey: string; readonly json?: boolean },
): Promise<void> {
  const peerId = canonical(peer)
  const account = await accountFromFile(options.accountKey)
  const signature = await signPayoutBinding(account, { peerId })
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ peerId, payout: account.address, signature })}\n`)
    return
  }
  process.stderr.write('start the worker with:\n')
  process.stdout.write(`--payout ${account.address} --payout-signature ${signature}\n`)
}

function canonical(peer: string): string {
  try {
    return peerIdFromString(peer).toString()
  } catch (cause) {
    throw new MurmurError('PEER_INVALID', {
      message: `"${peer.slice(0, 80)}" is not a peer id`,
      next: 'give it as `murmur start --payout` tells it: 12D3KooW…',
      exit: 'usage',
      cause,
    })
  }
}
