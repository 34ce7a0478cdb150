import { parseEngine } from '../worker/engine/engine-names.ts'
import { parseLabels } from '../worker/host/labels.ts'
import { parseSchedule } from '../worker/host/schedule.ts'
import { chooseCard } from './choose-card.ts'
import { detachNode } from './detach-node.ts'
import { homeFolder, workerFolder } from './home.ts'
import type { LogFormat } from './log.ts'
import { runNode } from './run-node.ts'
import { type StartOptions, unclear } from './start-options.ts'

const defaultListen = ['/ip4/0.0.0.0/tcp/0']
/** Folders of a home that are not a worker's. */
const takenNames = new Set(['head', 'devnet', 'logs', 'nodes'])

/**
 * `murmur start --address …`: until it is asked to stop, or with --detach until it has joined. Who only starts another
 * process loads nothing that takes time: that one reads the rest of the options, and tells what is wrong with them.
 */
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
  const schedule = options.schedule === undefined ? null : parseSchedule(options.schedule)
  const labels = options.labels === undefined ? [] : parseLabels(options.labels)
  const engine = parseEngine(options.engine)
  const useCards = await chooseCard(options.gpus)
  if (!useCards && (engine === 'ort-cuda' || engine === 'ort-webgpu'))
    throw unclear(
      `--engine ${engine} trains on a card, and --gpus none leaves them alone`,
      'pass one of the two',
    )
  if (options.detach === true) return await detachNode({ home, role }, options, async () => ({}))
  const read = async () => {
    const [{ connectionOf }, { payee }] = await Promise.all([
      import('./worker-connection.ts'),
      import('./payee.ts'),
    ])
    return {
      ...connectionOf(options, defaultListen),
      ...{ folder, labels, engine, useCards, token: options.token ?? '' },
      payout: await payee(options, folder),
    }
  }
  await runNode({ home, role }, { ...options, logFormat }, read, async (settings, life) => {
    const [{ workShifts }, { startWorker }] = await Promise.all([
      import('./work-shifts.ts'),
      import('./worker-process.ts'),
    ])
    await workShifts(() => startWorker(settings), schedule, life)
  })
}
