import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus, platform } from 'node:os'

/** From widest to narrowest: kernels are chosen, and sums split, by the widest that the processor has. */
const instructionSets: readonly (readonly [flag: string, name: string])[] = [
  ['amx_tile', 'amx'],
  ['avx512_vnni', 'avx512vnni'],
  ['avx512f', 'avx512'],
  ['avx2', 'avx2'],
  ['avx', 'avx'],
  ['sve', 'sve'],
  ['asimd', 'neon'],
]

/** The coarse instruction set of a Linux `/proc/cpuinfo`; undefined when it names none. */
export function instructionSet(cpuinfo: string): string | undefined {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/))
  return instructionSets.find(([flag]) => flags.has(flag))?.[1]
}

/** Elsewhere the processor's model stands for its instruction set: finer than needed, never too coarse. */
function hostInstructionSet(): string {
  const model = () => (cpus()[0]?.model ?? 'unknown').toLowerCase().replace(/[^a-z0-9]+/g, '-')
  if (platform() !== 'linux') return model()
  try {
    return instructionSet(readFileSync('/proc/cpuinfo', 'utf8')) ?? model()
  } catch {
    return model()
  }
}

const version: unknown = createRequire(import.meta.url)('onnxruntime-node/package.json').version

/** It fuses nodes and so reorders sums: part of the engine class. `all` would add rewrites that depend on the processor. */
export const optimizationLevel = 'extended'

/** For example `ort-cpu/1.30.0/extended/x64/avx512/threads=1`. */
export function ortCpuClass(threads: number): string {
  return `ort-cpu/${version}/${optimizationLevel}/${arch()}/${hostInstructionSet()}/threads=${threads}`
}
