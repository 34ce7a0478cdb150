import type { DeviceView, NodeView, RunView } from './views.ts'

/** Why a node cannot serve a run, whoever else wants it. */
export type Unfit =
  | 'EXCLUDED'
  | 'DEVICE'
  | 'MEMORY'
  | 'SPEED'
  | 'CORES'
  | 'DISK'
  | 'UPLOAD'
  | 'DOWNLOAD'
  | 'LABEL_MISSING'

type Demand = Pick<RunView, 'spec' | 'programMemoryBytes' | 'excluded'>

/** Bytes of memory that a run asks of a device: what its file demands, and at least what its program takes. */
export const memoryDemand = ({ spec, programMemoryBytes }: Omit<Demand, 'excluded'>): number =>
  Math.max(spec.resources.memoryBytes, programMemoryBytes)

export const isStrict = ({ spec }: Pick<RunView, 'spec'>): boolean =>
  spec.placement.strategy === 'STRICT_PACK' || spec.placement.strategy === 'STRICT_SPREAD'

/**
 * The first reason why a node cannot serve a run; null when it can. A figure that is unknown (0) never meets a demand of
 * the run file; the program's own estimate is held only against what is known.
 */
export function unfit(node: NodeView, run: Demand): Unfit | null {
  const lasting = unfitForever(node, run)
  if (lasting !== null) return lasting
  const { resources } = run.spec
  if (resources.minTokensPerSecond > 0 && bestSpeed(node, run) < resources.minTokensPerSecond) return 'SPEED'
  if (node.cores < resources.cores) return 'CORES'
  if (node.diskBytes < resources.diskBytes) return 'DISK'
  if (node.upBytesPerSecond < resources.minUpBytesPerSecond) return 'UPLOAD'
  if (node.downBytesPerSecond < resources.minDownBytesPerSecond) return 'DOWNLOAD'
  return null
}

/**
 * The part of {@link unfit} that measurements do not change. Only this takes a worker from a run that it is in: a
 * bandwidth that wavers around its bound must not make it come and go.
 */
export function unfitForever(node: NodeView, run: Demand): Unfit | null {
  if (run.excluded.has(node.id)) return 'EXCLUDED'
  const { device } = run.spec.resources
  if (device !== 'any' && !hasKind(node, device)) return 'DEVICE'
  if (!devicesOf(node).some((candidate) => deviceFits(candidate, node, run))) return 'MEMORY'
  if (isStrict(run) && !node.labels.has(run.spec.placement.over)) return 'LABEL_MISSING'
  return null
}

/** The most of what a run found too little that this node has: for the text that says so. */
export function shortfall(code: Unfit, node: NodeView, run: Demand): number {
  switch (code) {
    case 'MEMORY':
      return Math.max(0, ...eligible(node, run).map((device) => memoryOf(device, node)))
    case 'SPEED':
      return bestSpeed(node, run)
    case 'CORES':
      return node.cores
    case 'DISK':
      return node.diskBytes
    case 'UPLOAD':
      return node.upBytesPerSecond
    case 'DOWNLOAD':
      return node.downBytesPerSecond
    case 'EXCLUDED':
    case 'DEVICE':
    case 'LABEL_MISSING':
      return 0
    default:
      return code satisfies never
  }
}

const hostCpu: DeviceView = { kind: 'cpu', name: 'cpu', memoryBytes: 0, tokensPerSecond: 0 }
const onlyHostCpu = [hostCpu]
const devicesOf = (node: NodeView): readonly DeviceView[] =>
  node.devices.length > 0 ? node.devices : onlyHostCpu

const hasKind = (node: NodeView, kind: DeviceView['kind']): boolean =>
  devicesOf(node).some((device) => device.kind === kind)

const eligible = (node: NodeView, { spec }: Pick<RunView, 'spec'>): readonly DeviceView[] =>
  devicesOf(node).filter(({ kind }) => spec.resources.device === 'any' || spec.resources.device === kind)

/** A processor trains in the host's memory. */
const memoryOf = (device: DeviceView, node: NodeView): number =>
  device.memoryBytes > 0 || device.kind !== 'cpu' ? device.memoryBytes : node.memoryBytes

function deviceFits(device: DeviceView, node: NodeView, run: Demand): boolean {
  const { resources } = run.spec
  if (resources.device !== 'any' && resources.device !== device.kind) return false
  const have = memoryOf(device, node)
  return have > 0 ? have >= memoryDemand(run) : resources.memoryBytes === 0
}

/** Tokens a second of the fastest device that has the kind and memory; what was measured in training where that is all. */
function bestSpeed(node: NodeView, run: Demand): number {
  let best = 0
  for (const device of devicesOf(node)) {
    if (deviceFits(device, node, run)) best = Math.max(best, device.tokensPerSecond)
  }
  return best > 0 ? best : node.tokensPerSecond
}
