import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { loadOrCreateKey } from '../network/identity.ts'
import { workerId } from '../protocol/ids.ts'
import type { Payout } from '../worker/head-link.ts'
import { accountFromFile, chosenDevAccount, ownAccount } from './accounts.ts'
import { signedPayout } from './payout.ts'
import { type StartOptions, unclear } from './start-options.ts'

/** Who is paid: null for nobody. */
export async function payee(options: StartOptions, folder: string): Promise<Payout | null> {
  const { accountKey, devAccount, payout, payoutSignature } = options
  const given = [accountKey, devAccount, payout, options.pay ? undefined : '--no-pay']
  if (given.filter((choice) => choice !== undefined).length > 1)
    throw unclear(
      'a worker is paid to one account',
      'pass one of --payout, --account-key, --dev-account, --no-pay',
    )
  if (!options.pay) return null
  if (payout !== undefined) {
    const key = await loadOrCreateKey(folder)
    return await signedPayout(payout, payoutSignature, workerId(peerIdFromPrivateKey(key).toString()))
  }
  if (devAccount !== undefined) return { account: chosenDevAccount(devAccount, '--dev-account') }
  return { account: accountKey === undefined ? await ownAccount(folder) : await accountFromFile(accountKey) }
}
