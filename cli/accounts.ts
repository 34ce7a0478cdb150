import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generatePrivateKey, type LocalAccount, privateKeyToAccount } from 'viem/accounts'
import { devAccount } from '../chain/devnet.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { HeadReady } from './home.ts'
import { wholeNumber } from './worker-count.ts'

/** The devnet's accounts by role, so that its coins are never moved by two processes at once. */
export const devRoles = { coordinator: 0, firstFunder: 1, firstWorker: 10, minter: 9 } as const

/** Reads an account's private key from a file: 0x and 64 hex digits. */
export async function accountFromFile(file: string): Promise<LocalAccount> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new MurmurError('ACCOUNT_KEY_UNREADABLE', {
      message: `the account key ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      next: 'give the path of a file that holds a private key with --account-key',
      exit: 'usage',
      cause,
    })
  }
  try {
    if (/^0x[0-9a-fA-F]{64}$/.test(text)) return privateKeyToAccount(text as `0x${string}`)
  } catch {
    // Zero, or not below the order of the curve. The cause is not kept: it quotes the key.
  }
  throw new MurmurError('ACCOUNT_KEY_INVALID', {
    message: `${file} does not hold a private key`,
    next: 'it must be one line, 0x and 64 hexadecimal digits',
    exit: 'usage',
  })
}

/** The key of a node's own account: made at the first start, so that joining needs no set-up. */
export async function ownAccount(folder: string): Promise<LocalAccount> {
  const file = path.join(folder, 'account.key')
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(file, `${generatePrivateKey()}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return await accountFromFile(file)
}

/** @throws MurmurError COUNT_INVALID (exit `usage`) */
export function chosenDevAccount(index: string, option: string): LocalAccount {
  return devAccount(wholeNumber(index, option, 0, 9_999))
}

/** The account that a money command acts for: a key file, or one of the devnet's well-known accounts. */
export async function chosenAccount(
  options: { readonly accountKey?: string; readonly account?: string },
  ready: Pick<HeadReady, 'devnet'>,
): Promise<LocalAccount> {
  if (options.accountKey !== undefined) return await accountFromFile(options.accountKey)
  if (options.account !== undefined && ready.devnet) return chosenDevAccount(options.account, '--account')
  throw new MurmurError('ACCOUNT_MISSING', {
    message: ready.devnet ? 'which account?' : 'this chain is not a devnet: a private key is needed',
    next: ready.devnet
      ? 'pass --account 1 (a devnet account) or --account-key FILE'
      : 'pass --account-key FILE',
    exit: 'usage',
  })
}
