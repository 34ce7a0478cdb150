import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { parseAddress, parseListenAddress } from '../network/addresses.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { networkLimits } from '../network/limits.ts'
import { MurmurError } from '../protocol/errors.ts'
import { workerId } from '../protocol/ids.ts'
import type { Payout } from '../worker/head-link.ts'
import { parseByteRate } from '../worker/host/byte-rate.ts'
import { listGpus } from '../worker/host/gpus.ts'
import { parseLabels } from '../worker/host/labels.ts'
import { parseSchedule } from '../worker/host/schedule.ts'
import { accountFromFile, chosenDevAccount, ownAccount } from './accounts.ts'
import { detachNode } from './detach-node.ts'
import { homeFolder, workerFolder } from './home.ts'
import type { LogFormat } from './log.ts'
import { signedPayout } from './payout.ts'
import { runNode } from './run-node.ts'
import { headAddresses } from './start-head.ts'
import { type StartOptions, unclear } from './start-options.ts'

const defaultListen = ['/ip4/0.0.0.0/tcp/0']
/** Folders of a home that are not a worker's. */
const takenNames = new Set(['head', 'devnet', 'logs', 'nodes'])

/** `murmur start --address …`: until it is asked to stop, or with --detach until it has joined. */
export async function startWorkerNode(
  options: StartOptions,
  logFormat: LogFormat | undefined,
): Promise<void> {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(options.name) || takenNames.has(options.name))
    throw unclear(
      `--name ${options.name} is not the name of a worker’s folder`,
      'use letters, digits, hyphens and dots; --home says where it is',
    )
  const home = homeFolder(options.home)
  const role = options.name
  const folder = workerFolder(home, role)
  const addresses = headAddresses(options.address!)
  const listen = options.listen ?? defaultListen
  for (const address of listen) parseListenAddress(address)
  for (const address of options.announce ?? []) parseAddress(address)
  if (options.gpus !== undefined && options.gpus !== 'none') await refuseGpus(options.gpus)
  const maxUploadBytesPerSecond =
    options.maxUpload === undefined
      ? undefined
      : parseByteRate(options.maxUpload, '--max-upload', networkLimits.uploadFloorBytesPerSecond)
  const schedule = options.schedule === undefined ? null : parseSchedule(options.schedule)
  const labels = options.labels === undefined ? [] : parseLabels(options.labels)
  const payout = await payee(options, folder)
  if (options.detach === true) return await detachNode({ home, role }, options, async () => ({}))
  await runNode({ home, role }, { ...options, logFormat }, async (life) => {
    const [{ workShifts }, { startWorker }] = await Promise.all([
      import('./work-shifts.ts'),
      import('./worker-process.ts'),
    ])
    const token = options.token ?? ''
    const { announce } = options
    const settings = { folder, addresses, listen, announce, token, payout, labels, maxUploadBytesPerSecond }
    await workShifts(() => startWorker(settings), schedule, life)
  })
}

/** Who is paid: null for nobody. */
async function payee(options: StartOptions, folder: string): Promise<Payout | null> {
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

/** Only the processor trains today: a card that was asked for and would stay idle is a mistake to be told. */
async function refuseGpus(list: string): Promise<never> {
  if (!/^\d{1,2}(,\d{1,2})*$/.test(list))
    throw unclear(`--gpus ${list.slice(0, 40)} is not a list of cards`, 'pass numbers as 0,1, or none')
  const found = await listGpus()
  const names = found.map(({ name }, index) => `${index}: ${name}`).join(', ')
  throw new MurmurError('NO_GPU_ENGINE', {
    message: `this murmur trains on the processor only (onnxruntime); graphics cards here: ${names || 'none found'}`,
    next: 'leave out --gpus, or pass --gpus none',
    exit: 'infeasible',
  })
}
