import type { EngineChoice, EngineName } from './engine-names.ts'
import { isMissing, type Missing, type Probe, probeEngine } from './engines.ts'

export interface Chosen {
  readonly name: EngineName
  /** Engines that were wanted more, and what keeps each from running. */
  readonly passedOver: readonly (Missing & { readonly name: EngineName })[]
}

type Prober = (name: EngineName, signal?: AbortSignal) => Promise<Probe | Missing>

/**
 * The engine that was asked for, or the next best where it does not run. `auto` takes the fastest, by a real step, of the
 * processor and the kinds of cards that the host has; without a card that is ort-cpu, at once.
 * @param cards kinds of graphics cards in this host
 */
export async function chooseEngine(
  choice: EngineChoice,
  cards: readonly ('cuda' | 'webgpu')[],
  signal?: AbortSignal,
  probe: Prober = probeEngine,
): Promise<Chosen> {
  if (choice === 'ort-cpu') return { name: choice, passedOver: [] }
  const wanted = choice === 'auto' ? ofCards(cards) : [choice]
  const passedOver: (Missing & { readonly name: EngineName })[] = []
  const running: (Probe & { readonly name: EngineName })[] = []
  for (const name of wanted) {
    const probed = await probe(name, signal)
    if (isMissing(probed)) passedOver.push({ name, ...probed })
    else running.push({ name, ...probed })
  }
  if (choice !== 'auto') return { name: running[0]?.name ?? 'ort-cpu', passedOver }
  if (running.length === 0) return { name: 'ort-cpu', passedOver }
  const processor = await probe('ort-cpu', signal)
  if (!isMissing(processor)) running.push({ name: 'ort-cpu', ...processor })
  const fastest = running.reduce((best, other) => (other.stepMs < best.stepMs ? other : best))
  return { name: fastest.name, passedOver }
}

/** Every card speaks WebGPU; CUDA is NVIDIA's. */
const ofCards = (cards: readonly ('cuda' | 'webgpu')[]): readonly EngineName[] => [
  ...(cards.includes('cuda') ? (['ort-cuda'] as const) : []),
  ...(cards.length > 0 ? (['ort-webgpu'] as const) : []),
]
