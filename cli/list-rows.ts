import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { ClusterReport } from '../protocol/report.ts'
import type { ApiClient } from './api-client.ts'
import { listed } from './listed.ts'

export type Listed = (typeof listed)[number]
/** A row of a list: its values by column. What is no value yet is null. */
export type Row = Readonly<Record<string, string | number | boolean | null>>

export interface Filter {
  readonly key: string
  readonly value: string
}

/** The columns that people see; --json has every field. */
export const columns: Readonly<Record<Listed, readonly string[]>> = {
  runs: ['name', 'phase', 'round', 'rounds', 'run', 'waiting'],
  nodes: ['name', 'status', 'phase', 'devices', 'engine', 'tokensPerSecond', 'run', 'id'],
  epochs: ['run', 'epoch', 'audits', 'refused', 'verified', 'settled', 'paid', 'tx'],
  checkpoints: ['run', 'epoch', 'round', 'heldOutLoss', 'accuracy', 'cid'],
  payments: ['run', 'worker', 'payout', 'tokens', 'earned', 'claimed', 'open'],
}

/** @throws MurmurError LIST_UNKNOWN */
export function parseListed(what: string): Listed {
  const found = listed.find((one) => one === what)
  if (found !== undefined) return found
  throw new MurmurError('LIST_UNKNOWN', {
    message: `there is no list of ${what}`,
    next: `list one of ${listed.join(', ')}`,
    exit: 'usage',
  })
}

/** @throws MurmurError FILTER_INVALID, also for a column that the list does not have */
export function parseFilters(texts: readonly string[], what: Listed): readonly Filter[] {
  return texts.map((text) => {
    const [, key, value] = /^(\w+)=(.*)$/s.exec(text) ?? []
    if (key !== undefined && value !== undefined && columns[what].includes(key)) return { key, value }
    throw new MurmurError('FILTER_INVALID', {
      message: key === undefined ? `--filter ${text} is not key=value` : `${what} have no column ${key}`,
      next: `filter by one of ${columns[what].join(', ')}, for example --filter ${columns[what][0]}=…`,
      exit: 'usage',
    })
  })
}

/** The rows of a list as they are now. Lists of what runs have go through every run. */
export async function rowsOf(
  api: ApiClient,
  what: Listed,
  filters: readonly Filter[],
): Promise<readonly Row[]> {
  const status = await api.status()
  const rows = await unfiltered(api, status, what, filters)
  return rows.filter((row) => filters.every(({ key, value }) => matches(row, key, value)))
}

/** A run is found by its name or its id. */
const matches = (row: Row, key: string, value: string): boolean =>
  String(row[key]) === value || (key === 'run' && row.runId === value)

async function unfiltered(
  api: ApiClient,
  { runs, nodes }: ClusterReport,
  what: Listed,
  filters: readonly Filter[],
): Promise<readonly Row[]> {
  const nameOf = (id: string | null) => runs.find(({ run }) => run === id)?.name ?? id
  switch (what) {
    case 'runs':
      return runs.map(({ run, name, phase, round, roundsTotal, pending }) => ({
        ...{ name, phase, round, rounds: roundsTotal, run, waiting: pending },
      }))
    case 'nodes':
      return nodes.map(({ id, name, status, phase, engineClass, tokensPerSecond, run, payout, offer }) => ({
        ...{ name, status, phase, engine: engineClass },
        ...{ tokensPerSecond: Math.round(tokensPerSecond), run: nameOf(run), runId: run, id, payout },
        devices: offer?.devices.map((device) => device.name || device.kind).join(', ') ?? '',
      }))
    case 'epochs':
    case 'checkpoints':
    case 'payments': {
      const wanted = filters.find(({ key }) => key === 'run')?.value
      const asked = runs.filter(({ run, name }) => wanted === undefined || wanted === run || wanted === name)
      const rows: Row[] = []
      for (const { run, name } of asked) {
        const found = await ofRun(api, run, what)
        rows.push(...found.map((row) => ({ run: name, runId: run, ...row })))
      }
      return rows
    }
    default:
      return what satisfies never
  }
}

async function ofRun(
  api: ApiClient,
  run: ClusterReport['runs'][number]['run'],
  what: 'epochs' | 'checkpoints' | 'payments',
): Promise<readonly Row[]> {
  try {
    if (what === 'checkpoints') {
      const checkpoints = await api.checkpoints(run)
      return checkpoints.map(({ epoch, round, cid, heldOutLossNats, heldOutAccuracy }) => ({
        ...{
          epoch: epoch + 1,
          round: round + 1,
          heldOutLoss: heldOutLossNats,
          accuracy: heldOutAccuracy,
          cid,
        },
      }))
    }
    if (what === 'payments') {
      const { workers } = await api.payments(run)
      return workers.map(({ worker, name, payout, verifiedTokens, earned, claimed }) => ({
        ...{ worker: name, workerId: worker, payout, tokens: verifiedTokens, earned, claimed },
        open: (BigInt(earned) - BigInt(claimed)).toString(),
      }))
    }
    return (await api.epochs(run)).map(({ epoch, audits, verified, settled, paid, txHash }) => ({
      ...{ epoch: epoch + 1, audits: audits.length, verified, settled, paid, tx: txHash },
      refused: audits.filter(({ outcome }) => outcome === 'refuted').length,
    }))
  } catch (error) {
    // A run in the queue has none of it yet.
    if (isMurmurError(error, 'NOT_FOUND')) return []
    throw error
  }
}
