import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { loadOrCreateKey } from '../network/identity.ts'
import { errorText, isMurmurError } from '../protocol/errors.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import type { NodeOffer } from '../protocol/wire.ts'
import { threadedEngine } from '../worker/engine/threaded-engine.ts'
import { keepSpeed, measureSpeed } from '../worker/host/reference-speed.ts'
import { accountFromFile, ownAccount } from './accounts.ts'
import { diskNeeds } from './disk-needs.ts'
import type { RunNeeds } from './run-needs.ts'

export interface Check {
  readonly name: string
  /** `skip`: there, but of no use to murmur today. */
  readonly status: 'pass' | 'fail' | 'skip'
  readonly found: string
  /** What to do about a failure. */
  readonly fix: string | null
}

export const passed = (name: string, found: string): Check => ({ name, status: 'pass', found, fix: null })
export const failed = (name: string, found: string, fix: string): Check => ({
  name,
  status: 'fail',
  found,
  fix,
})

/** What a check throws, as its outcome: the error's own next step is the fix. */
export function failure(name: string, error: unknown, fix: string): Check {
  return failed(name, errorText(error), isMurmurError(error) ? error.next : fix)
}

const measuredSteps = 8
const engineTimeoutMs = 120_000

/** Real training steps on each device that an engine runs on. The figure is kept: the node offers it from now on. */
export async function checkEngine(host: NodeOffer, folder: string): Promise<readonly Check[]> {
  const gpus = host.devices.filter(({ kind }) => kind !== 'cpu')
  const unused = gpus.map(
    ({ name }): Check => ({
      name: 'engine',
      status: 'skip',
      found: `${name}: not measured here, murmur doctor says which engines run on it`,
      fix: null,
    }),
  )
  try {
    const engine = threadedEngine('ort-cpu')
    const speed = await measureSpeed(engine, measuredSteps, AbortSignal.timeout(engineTimeoutMs))
    await keepSpeed(folder, engine.engineClass, speed)
    const found = `${host.devices[0]!.name}: ${Math.round(speed)} tokens/s over ${measuredSteps} steps (${engine.engineClass})`
    return [passed('engine', found), ...unused]
  } catch (error) {
    const fix = 'run `npm ci` again: onnxruntime does not load or does not run here'
    return [failure('engine', error, fix), ...unused]
  }
}

/** Whether a replica of the run's model fits into what memory is free. */
export function checkMemory({ name }: RunFile, needed: RunNeeds): Check {
  const free = process.availableMemory()
  const found = `${gigabytes(needed.totalBytes)} for the model of ${name} (${needed.parameterCount.toLocaleString('en')} parameters), ${gigabytes(free)} free`
  return needed.totalBytes <= free
    ? passed('memory', found)
    : failed('memory', found, 'end other programs, or join runs of smaller models')
}

/** Whether what a worker keeps of the run fits. */
export function checkDisk(host: NodeOffer, file: RunFile, needs: RunNeeds): Check {
  const { totalBytes, bytesPerFurtherWorker } = diskNeeds(file, needs)
  const { min, max } = file.workers
  const more =
    max > min && bytesPerFurtherWorker > 0 ? ` (${gigabytes(bytesPerFurtherWorker)} for each one more)` : ''
  const found = `${gigabytes(totalBytes)} for ${file.name} with ${min} worker${min === 1 ? '' : 's'}${more}, ${gigabytes(host.diskBytes)} free`
  return totalBytes <= host.diskBytes
    ? passed('disk', found)
    : failed('disk', found, 'free some space, or name a folder on another disk with --home')
}

/** The node's key, made now if this is its first use. */
export async function checkIdentity(folder: string): Promise<Check> {
  try {
    return passed('identity', peerIdFromPrivateKey(await loadOrCreateKey(folder)).toString())
  } catch (error) {
    return failure('identity', error, 'name a folder that this user may write to with --home')
  }
}

/** Whose pay it would be. */
export async function checkPayout(folder: string, accountKey: string | undefined): Promise<Check> {
  try {
    const account = accountKey === undefined ? await ownAccount(folder) : await accountFromFile(accountKey)
    return passed('payout', `${account.address}, key ${accountKey ?? `in ${folder}`}`)
  } catch (error) {
    return failure('payout', error, 'give the file of a private key with --account-key')
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`
