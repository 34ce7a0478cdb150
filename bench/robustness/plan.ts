import { type Attack, attacks } from './attacks.ts'
import type { Outcome } from './cell.ts'
import { type Contender, contenders } from './contenders.ts'

export const members = 10
export const rounds = 25

/** What members send: signs of all values, with a residual that is kept or, as runs of GPTs do, fades; or few values, whole (SparseLoCo). */
export const sents = ['signs', 'fading', 'sparse'] as const
export type Sent = (typeof sents)[number]

/** One cell of the tables. No attack and no attackers is a clean run; no attack and some, one in which their places are empty. */
export interface Slot {
  readonly sent: Sent
  readonly contender: Contender
  readonly attack: Attack | null
  readonly attackers: number
  readonly seed: number
}

/** The rule that everything is measured against. */
const reference = contenders[0]!
/** Where the residual fades. */
export const fadingRules = ['mean', 'geometric-median']
/** Enough to show what sparse updates do to rules that look at one coordinate at a time. */
export const sparseAttacks = ['sign-flip', 'noise', 'alie', 'loud-ipm']

export interface Choice {
  readonly rules: readonly string[]
  readonly attacks: readonly string[]
  readonly attackers: readonly number[]
  readonly seeds: readonly number[]
}

export const everything: Choice = {
  rules: contenders.map(({ name }) => name),
  attacks: attacks.map(({ name }) => name),
  attackers: [2, 3, 1],
  seeds: [1],
}

/** The cells of a choice, those that others are compared with first. */
export function slotsOf(choice: Choice): Slot[] {
  const rules = contenders.filter(({ name }) => choice.rules.includes(name))
  const chosen = attacks.filter(({ name }) => choice.attacks.includes(name))
  const slots: Slot[] = []
  for (const seed of choice.seeds) {
    const add = (sent: Sent, contender: Contender, attack: Attack | null, attackers: number) =>
      slots.push({ sent, contender, attack, attackers, seed })
    add('signs', reference, null, 0)
    add('sparse', reference, null, 0)
    const faders = rules.filter(({ name }) => fadingRules.includes(name))
    for (const contender of new Set([reference, ...faders])) add('fading', contender, null, 0)
    for (const contender of rules) if (contender !== reference) add('signs', contender, null, 0)
    for (const attackers of choice.attackers) {
      add('signs', reference, null, attackers)
      for (const attack of chosen) for (const contender of rules) add('signs', contender, attack, attackers)
      if (attackers > 1)
        for (const attack of chosen)
          for (const contender of faders) add('fading', contender, attack, attackers)
      if (attackers !== 2) continue
      for (const contender of rules) if (contender !== reference) add('sparse', contender, null, 0)
      for (const attack of chosen.filter(({ name }) => sparseAttacks.includes(name))) {
        for (const contender of rules) add('sparse', contender, attack, attackers)
      }
    }
  }
  return slots
}

export const keyOf = ({ sent, contender, attack, attackers, seed }: Slot): string =>
  [`r${rounds}`, `m${members}`, sent, contender.name, attack?.name ?? 'none', attackers, seed].join(' ')

/** Outcomes by `keyOf`. */
export type Outcomes = ReadonlyMap<string, Outcome>

/** Held-out loss as a multiple of the clean mean's, averaged over the seeds; undefined where a cell was not played. */
export function ratioOf(
  outcomes: Outcomes,
  slot: Omit<Slot, 'seed'>,
  seeds: readonly number[],
): number | undefined {
  let sum = 0
  for (const seed of seeds) {
    const played = outcomes.get(keyOf({ ...slot, seed }))
    const clean = outcomes.get(
      keyOf({ sent: slot.sent, contender: reference, attack: null, attackers: 0, seed }),
    )
    if (played === undefined || clean === undefined) return undefined
    sum += played.lossNats / clean.lossNats
  }
  return sum / seeds.length
}
