import { attacks } from './attacks.ts'
import { contenders, faulty } from './contenders.ts'
import { fadingRules, keyOf, type Outcomes, ratioOf, rounds, type Sent, sparseAttacks } from './plan.ts'

/** The rule that the page recommends, and the bounds that it is held to: no attack, and a fifth of attackers. */
const recommended = 'geometric-median'
const bounds = { clean: 1.01, attacked: 1.05 }

/** docs/robustness.md: what the bench found, and what follows. */
export function robustnessPage(outcomes: Outcomes, seeds: readonly number[]): string {
  const best = contenders.find(({ name }) => name === recommended)!
  const ratio = (sent: Sent, contender: (typeof contenders)[0], attack: string | null, attackers: number) =>
    ratioOf(
      outcomes,
      { sent, contender, attack: attacks.find(({ name }) => name === attack) ?? null, attackers },
      seeds,
    )

  const table = (sent: Sent, names: readonly string[], attackers: number): string => {
    const rows = [null, ...names].map((attack) => {
      const cells = contenders.map((contender) =>
        ratio(sent, contender, attack, attack === null ? 0 : attackers),
      )
      return [attack ?? 'nobody attacks', ...cells.map((cell) => formatRatio(cell, attack))]
    })
    const worst = contenders.map((contender) =>
      names.reduce((most: number, name) => Math.max(most, ratio(sent, contender, name, attackers) ?? 0), 0),
    )
    return markdownTable(
      ['attack', ...contenders.map(({ name }) => name)],
      [...rows, ['worst', ...worst.map((cell) => formatRatio(cell, ''))]],
    )
  }

  const signs = (attackers: number) =>
    table(
      'signs',
      attacks.map(({ name }) => name),
      attackers,
    )
  const fading = markdownTable(
    ['attack', ...[2, 3].flatMap((attackers) => fadingRules.map((name) => `${name}, ${attackers} of 10`))],
    [null, ...attacks.map(({ name }) => name)].map((attack) => [
      attack ?? 'nobody attacks',
      ...[2, 3].flatMap((attackers) =>
        contenders
          .filter(({ name }) => fadingRules.includes(name))
          .map((contender) =>
            formatRatio(ratio('fading', contender, attack, attack === null ? 0 : attackers), attack),
          ),
      ),
    ]),
  )
  const clean = outcomes.get(
    keyOf({ sent: 'signs', contender: contenders[0]!, attack: null, attackers: 0, seed: seeds[0]! }),
  )
  return `# Robustness

<!-- Written by bench/robustness.ts. -->

    npm run bench:robustness              every cell below; goes on where it was stopped
    npm run bench:robustness -- --rules geometric-median --attacks loud-ipm --seeds 1,2,3

Ten workers train the built-in model made small (one layer, 11,696 parameters) on Moby-Dick for ${rounds} rounds, and some of them
attack. What they send goes through the run's own compressor (signs, with error feedback; NorMuon trains) and the
real admission; then one rule and outer SGD. Each figure is the held-out loss after the last round as a multiple of that of the
plain mean without attackers${clean === undefined ? '' : ` (${clean.lossNats.toFixed(3)} nats)`}; bold is above ${bounds.attacked}, or ${bounds.clean} where nobody attacks. ${seeds.length === 1 ? `One seed (${seeds[0]}).` : `Means of seeds ${seeds.join(', ')}.`}
Seeds change the clean loss itself by up to 2 %, so figures are compared within a seed. Equal seeds give equal figures.

## Recommended: ${recommended}

${verdict((attack, attackers) => ratio('signs', best, attack, attackers))}

It needs to be told nothing (Krum and the trimmed mean must be told how many are faulty; here ${100 * faulty} %), costs 1.3 means
of signs and 10 to 20 of other updates, and leaves nobody's work out. The trimmed mean and the median do as well with signs, and are useless with
sparse updates (below). Multi-Krum withstands most attacks as well, but throws away
${100 * faulty} % of the work in every round even when all are honest, first that of members whose data is least like the others', and its cost
grows with the square of their number. Centered clipping does as well; every replica carries one more vector of the model's size for it.

## The attacks

${markdownTable(
  ['attack', 'what each attacker sends'],
  attacks.map(({ name, what }) => [name, what]),
  '---',
)}

Attackers know everything: the honest updates of the same round, and admission's bounds. In a run they commit before they can see
any (docs/protocol.md, "Commit and reveal"), so the crafted ones are worse here than there. Colluders who send one vector would be copies of each
other for admission; so each turns one sign in a thousand around, or, of sparse updates, leaves out a quarter of the places, at random.

## 2 of 10 attack

${signs(2)}

## 3 of 10 attack

${signs(3)}

## 1 of 10 attacks

${signs(1)}

## With a residual that fades

All of the above keeps the whole residual (β 1). Runs of GPTs keep 0.7 of it; against the clean mean of the same updates:

${fading}

## What the figures say

- The plain mean with error feedback is hurt less than its reputation by attackers as quiet as the honest: they cancel part of a
  step, which the next ones make up for. It is lost to an attacker who is loud within admission's bound.
- Scaled and copied updates are refused by admission, so for every rule their senders' places are empty. Admission alone is no defence:
  its bounds are known. A copy with one sign in 400 turned around is let in, as signs are not compared with each other: it does a model no harm,
  and that nobody trained it is for audits to find.
- Updates of honest members point far apart, so the shortest is the nearest to all others: Krum alone takes the update of
  zeros or the half-length one. Multi-Krum takes them too, among others.
- A little is enough does no harm at these numbers: its margin is the spread of the honest, and 10 members leave it little.
- Inner-product manipulation is the worst for all: the quiet one for multi-Krum, which trusts what is near and short, the loud one at 3 of
  10 for every other rule.

## What admission refused

Of the contributions of two attackers over ${rounds} rounds, ${2 * rounds} in all, under the recommended rule:

${markdownTable(
  ['attack', 'refused', 'honest members refused'],
  attacks.map((attack) => {
    const slot = { sent: 'signs', contender: best, attack, attackers: 2, seed: seeds[0]! } as const
    const refused = outcomes.get(keyOf(slot))?.refused
    return [attack.name, tallyText(refused?.attackers), tallyText(refused?.honest)]
  }),
)}

## Coordinate rules and sparse updates

With SparseLoCo (128 of 4,096 values; AdamW trains) an update names 3 % of the parameters and is zero elsewhere. Most coordinates are named by a minority of the members, so a median
is zero there and a trimmed mean nearly so: the signal is lost even where nobody attacks, and error feedback sends again and again what
is never used. Rules that take an update as a whole (Krum, geometric median, centered clipping) do not have this. 2 of 10
attacking, against the clean mean of the same updates:

${table('sparse', sparseAttacks, 2)}
`
}

function verdict(ratio: (attack: string | null, attackers: number) => number | undefined): string {
  const worst = (attackers: number) =>
    attacks
      .map(({ name }) => ({ name, ratio: ratio(name, attackers) ?? Number.NaN }))
      .reduce((most, one) => (one.ratio > most.ratio ? one : most))
  const [clean, fifth, third] = [ratio(null, 0) ?? Number.NaN, worst(2), worst(3)]
  return `Without attackers ${clean.toFixed(3)} (asked: at most ${bounds.clean}); with 2 of 10 attacking at worst ${fifth.ratio.toFixed(3)} (${fifth.name}; asked: at most
${bounds.attacked}); with 3 of 10 at worst ${third.ratio.toFixed(3)} (${third.name}).`
}

function formatRatio(ratio: number | undefined, attack: string | null): string {
  if (ratio === undefined) return ''
  if (!Number.isFinite(ratio)) return '**diverged**'
  const text = ratio.toFixed(3)
  return ratio > (attack === null ? bounds.clean : bounds.attacked) ? `**${text}**` : text
}

function tallyText(tally: Readonly<Partial<Record<string, number>>> | undefined): string {
  const refusals = Object.entries(tally ?? {}).map(([code, count]) => `${count} ${code}`)
  return refusals.length === 0 ? 'none' : refusals.join(', ')
}

function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignment = '--:',
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : alignment))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}
