import { MurmurError } from '../../protocol/errors.ts'

/** Every engine, in the order in which `auto` prefers those that are available. */
export const engineNames = ['ort-cuda', 'ort-webgpu', 'ort-cpu', 'ort-wasm', 'tfjs'] as const
export type EngineName = (typeof engineNames)[number]
export type EngineChoice = EngineName | 'auto'

/** @throws MurmurError ENGINE_UNKNOWN (exit `usage`). */
export function parseEngine(text: string): EngineChoice {
  const choice = ['auto' as const, ...engineNames].find((name) => name === text)
  if (choice !== undefined) return choice
  throw new MurmurError('ENGINE_UNKNOWN', {
    message: `there is no engine ${text.slice(0, 40)}`,
    next: `pass auto or one of ${engineNames.join(', ')}; \`murmur doctor\` says which of them run here`,
    exit: 'usage',
  })
}
