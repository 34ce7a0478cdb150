import { invariant } from '../../protocol/errors.ts'
import { leaderIndex } from '../../protocol/term.ts'
import { accepted } from '../../protocol/verdict.ts'
import { afterManifest, aggregateEffect, end, fail, finalRootsMs, toEnd } from './close.ts'
import { note, revealOpen, roundOpen, type StepResult, toTrain } from './open.ts'
import type { RoundEffect, RoundEvent, RoundState } from './state.ts'

/**
 * Leads the run from where its log ends, in a term of its own. Whatever was under way is asked for again (nobody knows
 * what of it happened), and every deadline begins anew: time in which nobody led is held against no worker.
 */
export function lead(
  state: RoundState,
  { term, heads }: Extract<RoundEvent, { kind: 'lead' }>,
  now: number,
): StepResult {
  invariant(term > state.term, 'each leadership has a higher term')
  const sameHead = leaderIndex(term) === leaderIndex(state.term)
  const led: RoundState = { ...state, term, heads, leading: true, inherited: state.slots.length > 0 }
  const first = state.term === 0
  const begun: RoundEffect[] = first
    ? []
    : [note('HEAD_TOOK_OVER', led, null, `this head leads in term ${term}`)]
  const go = (next: RoundState, ...effects: RoundEffect[]): StepResult => ({
    state: next,
    effects: [...begun, ...effects],
    judgement: accepted,
  })
  const { phase, rules } = led
  switch (phase.kind) {
    case 'forming':
      return first ? go(led) : go(led, standing(led))
    case 'warmup': {
      if (led.stopping !== null) {
        const next = toEnd(led, led.stopping)
        return go(next.state, ...next.effects)
      }
      const deadlineMs = now + rules.warmupTimeoutMs
      return go({ ...led, phase: { kind: 'warmup', deadlineMs, graceMs: null } }, standing(led))
    }
    case 'paused': {
      const next = toTrain(led, now)
      return next.state.phase.kind === 'train'
        ? go(next.state, ...next.effects)
        : go(next.state, ...next.effects, standing(next.state))
    }
    case 'train':
    case 'commit': {
      const deadlineMs = now + rules.trainTimeoutMs
      const again: RoundState =
        phase.kind === 'train'
          ? { ...led, phase: { kind: 'train', deadlineMs } }
          : {
              ...led,
              phase: {
                kind: 'commit',
                deadlineMs,
                graceMs: phase.graceMs === null ? null : now + rules.commitGraceMs,
              },
            }
      return go(again, roundOpen(again))
    }
    case 'reveal': {
      const again: RoundState = { ...led, phase: { kind: 'reveal', deadlineMs: now + rules.revealTimeoutMs } }
      return go(again, roundOpen(again), revealOpen(again))
    }
    case 'aggregate':
      return go(led, aggregateEffect(led))
    case 'publish': {
      // The same head signs the very same bytes again; another one's manifest says in whose term it was signed.
      const manifest = sameHead ? phase.manifest : { ...phase.manifest, term }
      return go({ ...led, phase: { kind: 'publish', manifest } }, { kind: 'publish-manifest', manifest })
    }
    case 'settle-roots':
      return go({ ...led, phase: { ...phase, deadlineMs: now + finalRootsMs } }, standing(led))
    case 'ended': {
      const again = end(led, phase.reason)
      return go(again.state, ...again.effects)
    }
    case 'failed': {
      const again = fail(led, phase.code, phase.message)
      return go(again.state, ...again.effects)
    }
    default:
      return phase satisfies never
  }
}

/** Where the run stands, told as an opening without places: workers learn the term, and undo what this head lacks. */
const standing = (state: RoundState): RoundEffect => roundOpen({ ...state, slots: [] })

/** Rounds that were published but are not in this head's log: as if it had published them itself. */
export function adopt(state: RoundState, { manifests }: Extract<RoundEvent, { kind: 'adopt' }>): StepResult {
  const { rules } = state
  let next = state
  const effects: RoundEffect[] = []
  // A run that its owner stopped may have ended here before these rounds, which another head led: they count, and its
  // end comes after them. A run that failed stays as it is.
  const hasFailed = state.phase.kind === 'failed'
  for (const { manifest, cid } of manifests) {
    invariant(
      manifest.round === next.round && manifest.baseRoot === next.stateRoot && !hasFailed,
      'an adopted round follows the newest one known',
    )
    next = afterManifest(next, manifest, cid)
    if (manifest.closesEpoch) effects.push({ kind: 'close-epoch', epoch: manifest.epoch, lastManifest: cid })
  }
  const last = manifests.at(-1)?.manifest
  if (last === undefined) return { state, effects: [], judgement: accepted }
  // Only a run that its owner stopped closes an epoch before its last round; nothing follows that.
  const early = last.closesEpoch && next.round % rules.roundsPerEpoch !== 0
  const isDone = early || (next.stopping !== null && last.closesEpoch)
  // Its own round under way is one that the others have finished: the next one opens when this head leads.
  const settledRound: RoundState = {
    ...next,
    slots: [],
    commits: next.commits.clear(),
    reveals: next.reveals.clear(),
    refused: next.refused.clear(),
    phase: isDone
      ? { kind: 'ended', reason: next.stopping ?? 'stopped by its owner' }
      : next.round >= rules.rounds
        ? { kind: 'settle-roots', deadlineMs: 0 }
        : { kind: 'warmup', deadlineMs: 0, graceMs: null },
  }
  effects.push(note('ROUNDS_ADOPTED', settledRound, null, `${manifests.length} rounds from workers`))
  return { state: settledRound, effects, judgement: accepted }
}
