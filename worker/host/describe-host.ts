import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { NodeOffer } from '../../protocol/wire.ts'
import type { DeviceKind } from '../engine/engine.ts'
import { deviceName, type GpuSearch, listGpus } from './gpus.ts'
import type { Label } from './labels.ts'
import { trainingOn } from './training-device.ts'

export interface HostDescriptionOptions {
  /** The node's state folder, or one above it: its disk is the node's. */
  readonly folder: string
  readonly labels: readonly Label[]
  /** Measured on the reference program; 0 while unknown. */
  readonly tokensPerSecond: number
  /** What the engine computes on; the processor unless told. */
  readonly trainsOn?: DeviceKind
  readonly gpus?: GpuSearch
}

/** What this host offers. Its line to the head is not known here: those figures are 0 until they are measured. */
export async function describeHost(options: HostDescriptionOptions): Promise<NodeOffer> {
  const memoryBytes = availableMemory()
  const processor = {
    kind: 'cpu',
    name: deviceName(cpus()[0]?.model ?? '') || 'processor',
    memoryBytes,
    tokensPerSecond: 0,
  } as const
  const devices = [processor, ...(await listGpus(options.gpus))]
  return {
    devices: [...trainingOn(devices, options.trainsOn ?? 'cpu', options.tokensPerSecond)],
    // Of the cores it may use: affinity and a container's share are honoured.
    cores: availableParallelism(),
    memoryBytes,
    diskBytes: await freeDisk(options.folder),
    upBytesPerSecond: 0,
    downBytesPerSecond: 0,
    roundTripMs: 0,
    labels: [...options.labels],
  }
}

/** Memory that this process may use: the host's, or less where a container limits it. */
function availableMemory(): number {
  const limit = process.constrainedMemory()
  // Without a limit the kernel tells none, or one that no host has.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/** Bytes that this user may still write to the folder's disk. @throws when there is no such folder */
async function freeDisk(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
