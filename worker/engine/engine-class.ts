import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus, platform } from 'node:os'
import path from 'node:path'
import type { Engine } from './engine.ts'
import type { EngineName } from './engine-names.ts'

/**
 * From widest to narrowest: kernels are chosen, and sums split, by the widest that the processor has. On ARM `asimdhp` decides
 * whether onnxruntime takes products in float16 or leaves the casts out; every processor with SVE has it (Arm ARM, FEAT_SVE).
 */
const instructionSets: readonly (readonly [flag: string, name: string])[] = [
  ['amx_tile', 'amx'],
  ['avx512_vnni', 'avx512vnni'],
  ['avx512f', 'avx512'],
  ['avx2', 'avx2'],
  ['avx', 'avx'],
  ['sve', 'sve'],
  ['asimdhp', 'neon-fp16'],
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

const { resolve } = createRequire(import.meta.url)
/** Read from its file, since not every package lets it be imported. All have their entry in a folder of its own. */
function versionOf(name: string): string {
  const file = path.join(path.dirname(resolve(name)), '../package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** It fuses nodes and so reorders sums: part of the engine class. `all` would add rewrites that depend on the processor. */
export const optimizationLevel = 'extended'

/** For example `ort-cpu/1.30.0/extended/x64/avx512/threads=1`. */
export function ortCpuClass(threads: number): string {
  return `ort-cpu/${versionOf('onnxruntime-node')}/${optimizationLevel}/${arch()}/${hostInstructionSet()}/threads=${threads}`
}

export type About = Pick<Engine, 'name' | 'device' | 'exact' | 'engineClass'>

/** What an engine says of itself, known before its library is loaded. */
export function aboutEngine(name: EngineName, threads: number): About {
  switch (name) {
    case 'ort-cpu':
      return { name, device: 'cpu', exact: true, engineClass: ortCpuClass(threads) }
    case 'ort-wasm': {
      const version = versionOf('onnxruntime-web')
      const engineClass = `ort-wasm/${version}/${optimizationLevel}/simd128/threads=1`
      return { name, device: 'cpu', exact: true, engineClass }
    }
    case 'ort-webgpu':
    case 'ort-cuda': {
      const device = name === 'ort-cuda' ? 'cuda' : 'webgpu'
      const engineClass = `${name}/${versionOf('onnxruntime-node')}/${optimizationLevel}`
      return { name, device, exact: false, engineClass }
    }
    case 'tfjs':
      return { name, device: 'cpu', exact: false, engineClass: `tfjs/${versionOf('@tensorflow/tfjs-core')}` }
    default:
      return name satisfies never
  }
}
