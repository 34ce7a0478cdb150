import { MurmurError } from '../protocol/errors.ts'
import { type GpuSearch, listGpus } from '../worker/host/gpus.ts'
import { unclear } from './start-options.ts'

/**
 * What `--gpus` says: `none`, or the number of the card that this node trains on, counted as `nvidia-smi` counts. CUDA shows
 * a process only the card that its environment names, whatever library asks; a node trains on one.
 * @returns whether the node may use cards
 * @throws MurmurError START_UNCLEAR (exit `usage`); GPU_NOT_FOUND, ONE_GPU_A_NODE (exit `infeasible`)
 */
export async function chooseCard(
  list: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  search?: GpuSearch,
): Promise<boolean> {
  if (list === undefined) return true
  if (list === 'none') return false
  if (!/^\d{1,2}(,\d{1,2})*$/.test(list))
    throw unclear(`--gpus ${list.slice(0, 40)} is not a card`, 'pass a number as 0, or none')
  const [first, ...others] = list.split(',').map(Number)
  if (others.length > 0) {
    throw new MurmurError('ONE_GPU_A_NODE', {
      message: `a node trains on one card, and --gpus names ${others.length + 1}`,
      next: `start a node for each: --gpus ${first} --name gpu${first}, --gpus ${others[0]} --name gpu${others[0]}, …`,
      exit: 'infeasible',
    })
  }
  const cards = (await listGpus(search)).filter(({ kind }) => kind === 'cuda')
  if (cards[first!] === undefined) {
    const names = cards.map(({ name }, index) => `${index}: ${name}`).join(', ')
    throw new MurmurError('GPU_NOT_FOUND', {
      message: `there is no card ${first} that CUDA can choose; here: ${names || 'none'}`,
      next: 'pass the number of one of these, or --gpus none',
      exit: 'infeasible',
    })
  }
  environment.CUDA_VISIBLE_DEVICES = String(first)
  return true
}
