import { bytesText } from '../../protocol/byte-size.ts'
import { memoryDemand } from './fit.ts'
import type { Pending, Reason, ReasonCode } from './pending.ts'
import type { RunView } from './views.ts'

/** Said of the nodes themselves: "2 draining". */
const standing: ReadonlySet<ReasonCode> = new Set(['GONE', 'DRAINING', 'BUSY', 'RESERVED', 'EXCLUDED'])

/** A reason in words, for all the nodes that have it. */
export function reasonText(code: ReasonCode, count: number, best: number, run: RunView): string {
  const text = obstacleText(code, best, run)
  return standing.has(code) ? `${count} ${text}` : `${count === 1 ? '1 node' : `${count} nodes`}: ${text}`
}

/** Why a node is not a run's, in words; `best` is what it has where the run asks for more. */
export function obstacleText(code: ReasonCode, best: number, run: RunView): string {
  const { resources, placement } = run.spec
  const lack = (what: string, text: (value: number) => string, need: number) =>
    best === 0 ? `${what} not known` : `${what} too low (${text(best)} of ${text(need)})`
  switch (code) {
    case 'GONE':
      return 'gone'
    case 'DRAINING':
      return 'draining'
    case 'BUSY':
      return 'busy with other runs'
    case 'RESERVED':
      return 'kept for runs ahead of it'
    case 'EXCLUDED':
      return 'ejected from this run, or cannot do it'
    case 'DEVICE':
      return `no ${resources.device} device`
    case 'MEMORY':
      return best === 0
        ? 'memory not known'
        : `too little memory (${bytesText(best)} of ${bytesText(memoryDemand(run))})`
    case 'SPEED':
      return lack('speed', (value) => `${Math.floor(value)} tokens/s`, resources.minTokensPerSecond)
    case 'CORES':
      return lack('cores', String, resources.cores)
    case 'DISK':
      return lack('free disk', bytesText, resources.diskBytes)
    case 'UPLOAD':
      return lack('upload', (value) => `${bytesText(value)}/s`, resources.minUpBytesPerSecond)
    case 'DOWNLOAD':
      return lack('download', (value) => `${bytesText(value)}/s`, resources.minDownBytesPerSecond)
    case 'LABEL_MISSING':
      return `no label ${placement.over}`
    case 'LABEL':
      return placement.strategy === 'STRICT_SPREAD'
        ? `a ${placement.over} that is taken already`
        : `in another ${placement.over}`
    default:
      return code satisfies never
  }
}

/** What would let it start. */
export function fixOf(code: Pending['code'], run: RunView, have: number, reasons: readonly Reason[]): string {
  const missing = run.spec.workers.min - have
  const start = `start ${missing} more with \`murmur start --address …\``
  if (code === 'BELOW_MIN') return `it trains on with ${have}; ${start}`
  const fewer = have > 0 ? `, or submit it with workers.min: ${have}` : ''
  if (code === 'NO_NODES') return `${start}`
  if (code === 'NODES_BUSY') {
    return `it starts by itself when ${missing} more are free; sooner: ${start}, stop a run with \`murmur stop\`${fewer}`
  }
  const hints = reasons.flatMap((reason) => hint(reason.code, run))
  return [`${start}${demandText(run)}`, ...hints].join('; or ') + fewer
}

/** What a new node must have to be of use, as far as the run file asks for anything. */
function demandText(run: RunView): string {
  const { resources } = run.spec
  const demands = [
    ...(resources.device === 'any' ? [] : [`a ${resources.device} device`]),
    ...(memoryDemand(run) > 0 ? [`${bytesText(memoryDemand(run))} of memory`] : []),
  ]
  return demands.length === 0 ? '' : ` (each with ${demands.join(' and ')})`
}

function hint(code: ReasonCode, { spec: { resources, placement } }: RunView): string[] {
  switch (code) {
    case 'DEVICE':
      return ['resources.device: any']
    case 'MEMORY':
      return [resources.memoryBytes > 0 ? 'a lower resources.memoryBytes' : 'a lower train.batch']
    case 'SPEED':
      return ['a lower resources.minTokensPerSecond (`murmur worker check` measures a node)']
    case 'CORES':
      return ['a lower resources.cores']
    case 'DISK':
      return ['a lower resources.diskBytes']
    case 'UPLOAD':
      return ['a lower resources.minUpBytesPerSecond (`murmur worker check` measures a node)']
    case 'DOWNLOAD':
      return ['a lower resources.minDownBytesPerSecond (`murmur worker check` measures a node)']
    case 'LABEL_MISSING':
      return [`label the nodes with \`--labels ${placement.over}=…\``]
    case 'LABEL':
      return [`placement.strategy: ${placement.strategy === 'STRICT_SPREAD' ? 'SPREAD' : 'PACK'}`]
    case 'EXCLUDED':
    case 'GONE':
    case 'DRAINING':
    case 'BUSY':
    case 'RESERVED':
      return []
    default:
      return code satisfies never
  }
}
