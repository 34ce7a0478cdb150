import { isAddress, parseEther } from 'viem'
import type { LocalAccount } from 'viem/accounts'
import { mintDevTokens } from '../chain/deploy.ts'
import type { ChainConfig } from '../chain/escrow.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { claimEarnings } from '../worker/claim-earnings.ts'
import { chosenAccount } from './accounts.ts'
import { type ApiClient, chosenRun, connectApi } from './api-client.ts'
import type { MoneyOptions } from './fund.ts'
import { type HeadReady, homeFolder, requireReady } from './home.ts'
import { escrowOf, tokens } from './money.ts'

interface MoneyContext {
  readonly api: ApiClient
  readonly account: LocalAccount
  readonly report: RunReport
  readonly chain: ChainConfig | null
  readonly ready: HeadReady
}

async function openMoney(named: string | undefined, options: MoneyOptions): Promise<MoneyContext> {
  const home = homeFolder(options.home)
  const ready = await requireReady(home)
  const api = await connectApi(home)
  const run = await chosenRun(api, named)
  const report = await api.report(run)
  if (report === null) {
    throw new MurmurError('RUN_QUEUED', {
      message: 'that run is still in the queue; its escrow is opened when its turn comes',
      next: 'wait, or `murmur status`',
    })
  }
  return { api, account: await chosenAccount(options, ready), report, chain: ready.chain, ready }
}

function print(options: MoneyOptions, result: Record<string, string>, line: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : `${line}\n`)
}

export async function fundCommand(
  named: string | undefined,
  options: MoneyOptions & { amount: string; mint?: boolean },
): Promise<void> {
  if (!/^\d{1,18}(\.\d{1,18})?$/.test(options.amount) || Number(options.amount) === 0) {
    throw new MurmurError('AMOUNT_INVALID', {
      message: `${options.amount} is not an amount of tokens`,
      next: 'write it as 150 or 0.5',
      exit: 'usage',
    })
  }
  const { account, report, chain, ready } = await openMoney(named, options)
  const amount = parseEther(options.amount)
  const { escrow, place } = escrowOf(report, account, chain)
  if (options.mint === true) await mintTestTokens(ready, account, amount)
  const { txHash, gasUsed } = await escrow.fund(place.run, amount)
  const after = await escrow.accounting(place.run)
  print(
    options,
    {
      run: report.run,
      funder: account.address,
      amount: amount.toString(),
      funded: after.funded.toString(),
      txHash,
      gasUsed: gasUsed.toString(),
    },
    `funded ${report.name} with ${tokens(amount)}: the escrow has received ${tokens(after.funded)} of ${tokens(place.required)}`,
  )
}

export async function claimCommand(
  named: string | undefined,
  options: MoneyOptions & { for?: string },
): Promise<void> {
  const { api, account, report, chain } = await openMoney(named, options)
  const { place } = escrowOf(report, account, chain)
  const payoutTree = report.epochs.findLast((epoch) => epoch.payoutTree !== null)?.payoutTree ?? null
  const to = addressOf(options.for, account.address)
  const claimed =
    payoutTree === null
      ? null
      : await claimEarnings(
          {
            rpcUrl: place.rpcUrl,
            chainId: place.chainId,
            escrow: place.contract,
            token: place.token,
            run: place.run,
          },
          payoutTree,
          to,
          account,
          (cid) => api.getBlock(cid),
        )
  const amount: Wei = claimed?.amount ?? 0n
  print(
    options,
    { run: report.run, account: to, amount: amount.toString() },
    claimed === null
      ? `nothing to claim for ${to}: nothing earned, all of it claimed, or not final yet`
      : `claimed ${tokens(amount)} for ${to}`,
  )
}

export async function refundCommand(
  named: string | undefined,
  options: MoneyOptions & { for?: string },
): Promise<void> {
  const { account, report, chain } = await openMoney(named, options)
  const { escrow, place } = escrowOf(report, account, chain)
  const funder = addressOf(options.for, account.address)
  const amount = await escrow.refundable(place.run, funder)
  const { txHash } = await escrow.refund(place.run, funder)
  print(
    options,
    { run: report.run, funder, amount: amount.toString(), txHash },
    `refunded ${tokens(amount)} (${amount} wei) to ${funder}`,
  )
}

/** A devnet's accounts have coin for gas, and no tokens until somebody makes them: they are worth nothing. */
async function mintTestTokens(ready: HeadReady, account: LocalAccount, amount: Wei): Promise<void> {
  if (!ready.devnet || ready.chain === null) {
    throw new MurmurError('NOT_A_DEVNET', {
      message: 'tokens can only be made on a devnet',
      next: 'leave out --mint, and fund from an account that holds the tokens',
      exit: 'usage',
    })
  }
  await mintDevTokens(ready.chain, account, account.address, amount)
}

function addressOf(text: string | undefined, otherwise: Address): Address {
  if (text === undefined) return otherwise
  if (isAddress(text)) return text
  throw new MurmurError('ADDRESS_INVALID', {
    message: `${text} is not an address`,
    next: 'write it as 0x and 40 hexadecimal digits',
    exit: 'usage',
  })
}
