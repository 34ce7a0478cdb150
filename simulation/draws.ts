import { below, drawsAt } from '../protocol/random.ts'

/** What a node draws for: each purpose has a stream of its own, so that one more draw here moves nothing elsewhere. */
export const purposes = {
  plan: 0,
  faults: 1,
  network: 2,
  disk: 3,
  work: 4,
  chain: 5,
  life: 6,
  adversary: 7,
} as const

export type Purpose = keyof typeof purposes

/** Draws of one node for one purpose, all integers: a pure function of the seed. */
export class Draws {
  readonly #draw: () => number

  constructor(seed: number, node: number, purpose: Purpose) {
    this.#draw = drawsAt(seed, 'simulation', [node, purposes[purpose]])
  }

  /** In [0, bound). */
  below(bound: number): number {
    return below(Math.max(1, bound), this.#draw())
  }

  /** In [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  /** True in `permille` of 1,000 cases. */
  chance(permille: number): boolean {
    return permille > 0 && this.below(1000) < permille
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  shuffled<T>(from: readonly T[]): T[] {
    const all = [...from]
    for (let place = all.length - 1; place > 0; place--) {
      const other = this.below(place + 1)
      const kept = all[place]!
      all[place] = all[other]!
      all[other] = kept
    }
    return all
  }

  /** 32 bytes as hex, for salts. */
  hash(): `0x${string}` {
    let text = '0x'
    for (let word = 0; word < 8; word++) text += this.#draw().toString(16).padStart(8, '0')
    return text as `0x${string}`
  }
}
