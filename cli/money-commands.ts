import type { LocalAccount } from 'viem/accounts'
import { mintDevTokens } from '../chain/deploy.ts'
import type { ChainConfig } from '../chain/escrow.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Wei } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { claimEarnings } from '../worker/claim-earnings.ts'
import { chosenAccount } from './accounts.ts'
import { tokens } from './amounts.ts'
import { type ApiClient, chosenRun, connectApi } from './api-client.ts'
import type { MoneyOptions } from './fund.ts'
import { type HeadReady, homeFolder, requireReady } from './home.ts'
import { addressOf, amountOf, escrowOf } from './money.ts'

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

/** Says what was done, as a line or as JSON. */
export function print(options: MoneyOptions, result: Record<string, unknown>, line: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : `${line}\n`)
}

export async function fundCommand(
  named: string | undefined,
  options: MoneyOptions & { amount: string; mint?: boolean },
): Promise<void> {
  const amount = amountOf(options.amount)
  const { account, report, chain, ready } = await openMoney(named, options)
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
export async function mintTestTokens(
  ready: Pick<HeadReady, 'chain' | 'devnet'>,
  account: LocalAccount,
  amount: Wei,
): Promise<void> {
  if (!ready.devnet || ready.chain === null) {
    throw new MurmurError('NOT_A_DEVNET', {
      message: 'tokens can only be made on a devnet',
      next: 'leave out --mint, and fund from an account that holds the tokens',
      exit: 'usage',
    })
  }
  await mintDevTokens(ready.chain, account, account.address, amount)
}
