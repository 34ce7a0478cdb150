import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { NodeOffer } from '../../protocol/wire.ts'

export type Device = NodeOffer['devices'][number]

export interface GpuSearch {
  /** The root of the file system; tests give another. */
  readonly root?: string
  /** What `nvidia-smi` prints of the cards; rejects where it is missing. Tests give another. */
  readonly nvidiaSmi?: () => Promise<string>
}

/** A driver that hangs must not keep a node from starting. */
const timeoutMs = 3_000
const maxOutputBytes = 64 * 1024
const maxGpus = 15
const maxNameLength = 128

/** Only what files tell, at once: nvidia-smi takes a second or two where nothing keeps the driver awake. */
export const withoutAsking: GpuSearch = { nvidiaSmi: async () => '' }

/**
 * The graphics cards of this host, by what its drivers tell: nvidia-smi, /proc/driver/nvidia, /sys/class/drm. Memory is 0
 * where nobody tells; the measured speed is 0, since nothing was measured yet. Never throws: a host without is the usual case.
 */
export async function listGpus({
  root = '/',
  nvidiaSmi = runNvidiaSmi,
}: GpuSearch = {}): Promise<readonly Device[]> {
  const nvidia = await fromNvidiaSmi(nvidiaSmi).then((found) =>
    found.length > 0 ? found : fromNvidiaDriver(root),
  )
  const others = await fromDrm(root, nvidia.length > 0)
  return [...nvidia, ...others].slice(0, maxGpus)
}

async function runNvidiaSmi(): Promise<string> {
  const args = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits']
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes } as const
  return (await promisify(execFile)('nvidia-smi', args, options)).stdout
}

/** One line a card: `NVIDIA H100 80GB HBM3, 81559` (MiB). */
async function fromNvidiaSmi(nvidiaSmi: () => Promise<string>): Promise<readonly Device[]> {
  const text = await nvidiaSmi().catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [, name, mebibytes] = /^(.+),\s*(\d+|\[N\/A\])\s*$/.exec(line) ?? []
    return name === undefined ? [] : [device('cuda', name, (Number(mebibytes) || 0) * 2 ** 20)]
  })
}

async function fromNvidiaDriver(root: string): Promise<readonly Device[]> {
  const folder = path.join(root, 'proc/driver/nvidia/gpus')
  const found: Device[] = []
  for (const slot of await entries(folder)) {
    const information = await readText(path.join(folder, slot, 'information'))
    const name = /^Model:\s*(.+)$/m.exec(information)?.[1]
    if (name !== undefined) found.push(device('cuda', name, 0))
  }
  return found
}

/** PCI vendors that make cards to compute on; others' are the screens of servers and virtual machines. */
const vendors = new Map([
  ['0x1002', 'AMD'],
  ['0x8086', 'Intel'],
  ['0x10de', 'NVIDIA'],
])

async function fromDrm(root: string, nvidiaKnown: boolean): Promise<readonly Device[]> {
  const folder = path.join(root, 'sys/class/drm')
  const found: Device[] = []
  for (const card of (await entries(folder)).filter((name) => /^card\d+$/.test(name))) {
    const tell = (file: string) => readText(path.join(folder, card, 'device', file))
    const vendor = vendors.get((await tell('vendor')).trim())
    if (vendor === undefined || (vendor === 'NVIDIA' && nvidiaKnown)) continue
    const model = (await tell('product_name')).trim() || (await tell('device')).trim()
    const memoryBytes = Number((await tell('mem_info_vram_total')).trim()) || 0
    found.push(device('webgpu', `${vendor} ${model}`, memoryBytes))
  }
  return found
}

function device(kind: Device['kind'], name: string, memoryBytes: number): Device {
  return { kind, name: deviceName(name), memoryBytes, tokensPerSecond: 0 }
}

/** A device's name as the join message takes it: printable, at most 128 characters. */
export function deviceName(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
    .trim()
    .slice(0, maxNameLength)
}

const entries = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder).catch(() => [])).sort()
const readText = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')
