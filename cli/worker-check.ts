import { mkdir } from 'node:fs/promises'
import { parseRunFile } from '../protocol/run-spec.ts'
import { describeHost } from '../worker/host/describe-host.ts'
import { headAddresses } from './head-addresses.ts'
import { headBlocks } from './head-blocks.ts'
import { homeFolder, workerFolder } from './home.ts'
import { type Check, checkDisk, checkEngine, checkIdentity, checkMemory, checkPayout } from './host-checks.ts'
import { checkLine } from './line-checks.ts'
import { printable } from './log.ts'
import { runNeeds } from './run-needs.ts'
import { readRunFile } from './submit.ts'

export interface WorkerCheckOptions {
  readonly address?: string
  readonly runFile?: string
  readonly home?: string
  readonly name: string
  readonly accountKey?: string
  readonly json?: boolean
}

/** `murmur worker check`: every check is made, whatever the others say. The exit code is 1 when one fails. */
export async function workerCheckCommand(options: WorkerCheckOptions): Promise<void> {
  const addresses = options.address === undefined ? null : headAddresses(options.address)
  const file =
    options.runFile === undefined
      ? parseRunFile({ name: 'default', data: { builtin: 'moby-dick' } }, 'the defaults')
      : await readRunFile(options.runFile)
  const folder = workerFolder(homeFolder(options.home), options.name)
  await mkdir(folder, { recursive: true })
  const host = await describeHost({ folder, labels: [], tokensPerSecond: 0 })
  const made: Check[] = []
  const tell = (checks: readonly Check[]) => {
    made.push(...checks)
    if (options.json !== true) for (const check of checks) process.stdout.write(`${lineOf(check)}\n`)
  }
  tell(await checkEngine(host, folder))
  const needs = await runNeeds(file, headBlocks(homeFolder(options.home)))
  tell([checkMemory(file, needs), checkDisk(host, file, needs)])
  tell([await checkIdentity(folder), await checkPayout(folder, options.accountKey)])
  if (addresses !== null) tell(await checkLine(addresses))
  const failed = made.filter(({ status }) => status === 'fail').length
  if (options.json === true) process.stdout.write(`${JSON.stringify({ ok: failed === 0, checks: made })}\n`)
  else process.stderr.write(failed === 0 ? 'this host can work\n' : `${failed} of ${made.length} failed\n`)
  if (failed > 0) process.exitCode = 1
}

function lineOf({ name, status, found, fix }: Check): string {
  const line = `${(status === 'fail' ? 'FAIL' : status).padEnd(4)}  ${name.padEnd(10)}  ${printable(found)}`
  return fix === null ? line : `${line}\n      ${''.padEnd(10)}  fix: ${printable(fix)}`
}
