import { isAddressEqual } from 'viem'
import { connectEscrow, type Escrow } from '../chain/escrow.ts'
import { loadPayouts } from '../chain/payout-tree.ts'
import type { Address, CidText, Hash, Wei } from '../protocol/ids.ts'
import type { RunReport } from '../protocol/report.ts'
import { chosenAccount } from './accounts.ts'
import { tokens } from './amounts.ts'
import { type ApiClient, connectApi } from './api-client.ts'
import { printable } from './log.ts'
import { addressOf } from './money.ts'
import { chosenChain } from './money-chain.ts'
import { print } from './money-commands.ts'
import type { WorkerMoneyOptions } from './worker-money.ts'

/** What one account has of one run, in token base units. */
export interface EarningsRow {
  readonly escrowRun: Hash
  /** The run's name, where a head on this host knows it; only then is known what is not claimed yet. */
  readonly name: string | null
  readonly claimed: Wei
  /** Settled, and not claimed. */
  readonly unclaimed: Wei | null
  /** Of it, what is final: `murmur claim` pays it now. */
  readonly claimable: Wei | null
}

/** By run: the account's claims from the chain, and what it is owed from the payout trees that a head serves. */
export async function readEarnings(
  account: Address,
  escrow: Pick<Escrow, 'config' | 'claimsOf' | 'finalized'>,
  api: Pick<ApiClient, 'status' | 'report' | 'getBlock'> | null,
): Promise<readonly EarningsRow[]> {
  const claimed = new Map<Hash, Wei>()
  for (const { escrowRun, amount } of await escrow.claimsOf(account))
    claimed.set(escrowRun, (claimed.get(escrowRun) ?? 0n) + amount)

  const rows = new Map<Hash, EarningsRow>()
  for (const { run } of api === null ? [] : (await api.status()).runs) {
    const report = await api!.report(run)
    // A run of another escrow (an earlier devnet's) is not on this chain.
    if (report?.escrow == null || !isAddressEqual(report.escrow.contract, escrow.config.escrow)) continue
    const escrowRun = report.escrow.run
    const earned = await earnedIn(account, report, escrow, api!)
    const had = claimed.get(escrowRun) ?? 0n
    if (earned.settled === 0n && had === 0n) continue
    rows.set(escrowRun, {
      escrowRun,
      name: report.name,
      claimed: had,
      unclaimed: positive(earned.settled - had),
      claimable: positive(earned.final - had),
    })
  }
  for (const [escrowRun, had] of claimed) {
    if (rows.has(escrowRun)) continue
    rows.set(escrowRun, { escrowRun, name: null, claimed: had, unclaimed: null, claimable: null })
  }
  return [...rows.values()]
}

/** An account's cumulative pay in a run: by the newest settled tree, and by the newest final one. */
async function earnedIn(
  account: Address,
  { epochs, escrow: place }: RunReport,
  escrow: Pick<Escrow, 'finalized'>,
  api: Pick<ApiClient, 'getBlock'>,
): Promise<{ readonly settled: Wei; readonly final: Wei }> {
  const { payoutRoot } = await escrow.finalized(place!.run)
  const payOf = async (payoutTree: CidText | null | undefined): Promise<Wei> => {
    if (payoutTree === null || payoutTree === undefined) return 0n
    const { entries } = loadPayouts(await api.getBlock(payoutTree))
    return [...entries].find(([entry]) => entry.toLowerCase() === account.toLowerCase())?.[1] ?? 0n
  }
  const newest = epochs.findLast(({ payoutTree }) => payoutTree !== null)
  const final = epochs.findLast((epoch) => epoch.payoutRoot === payoutRoot)
  const settled = await payOf(newest?.payoutTree)
  return { settled, final: final === newest ? settled : await payOf(final?.payoutTree) }
}

export async function earningsCommand(options: WorkerMoneyOptions): Promise<void> {
  const { chain, devnet, home } = await chosenChain(options)
  const owner = options.for ?? (await chosenAccount(options, { devnet })).address
  const account = addressOf(owner, owner as Address)
  const api = home === null ? null : await connectApi(home)
  const rows = await readEarnings(account, connectEscrow(chain), api)
  const total = rows.reduce((sum, { claimed }) => sum + claimed, 0n)
  const lines = rows.map(({ escrowRun, name, claimed, unclaimed, claimable }) => {
    const open =
      unclaimed === null
        ? 'ask its head what is not claimed yet'
        : `not claimed ${tokens(unclaimed)}, of it final ${tokens(claimable!)}`
    return `  ${name === null ? escrowRun : printable(name)}  claimed ${tokens(claimed)}, ${open}`
  })
  print(
    options,
    {
      account,
      claimed: String(total),
      runs: rows.map((row) => ({
        ...row,
        claimed: String(row.claimed),
        unclaimed: row.unclaimed === null ? null : String(row.unclaimed),
        claimable: row.claimable === null ? null : String(row.claimable),
      })),
    },
    rows.length === 0
      ? `${account} has earned nothing yet`
      : [`${account} has claimed ${tokens(total)}`, ...lines].join('\n'),
  )
}

const positive = (amount: Wei): Wei => (amount > 0n ? amount : 0n)
