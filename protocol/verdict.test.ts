import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import { type RunId, runId, type WorkerId } from './ids.ts'
import { type GossipView, judge } from './verdict.ts'
import type { GossipBody } from './wire.ts'

const [head, member, stranger, standby] = [peer(0), peer(1), peer(2), peer(20)]
/** Term 8 is the first head's, 9 the second's, 10 nobody's that is known; 16 is the first head's again. */
const term = 9
const root = hashOf('root')

const bodies = {
  roundOpen: (round: number) => ({
    kind: 'roundOpen',
    round,
    stateRoot: root,
    parent: null,
    slots: [{ worker: member, steps: 1 }],
  }),
  revealOpen: (round: number) => ({ kind: 'revealOpen', round, commits: [] }),
  manifest: () => ({ kind: 'manifest', signedManifest: new Uint8Array(1) }),
  runEnd: (rounds: number) => ({ kind: 'runEnd', rounds, reason: 'done', newest: null }),
  commit: (round: number) => ({ kind: 'commit', round, hash: root }),
  reveal: (round: number) => ({
    kind: 'reveal',
    ...{
      round,
      contribution: cidOf('c'),
      contributionBytes: 1,
      trace: [],
      salt: root,
      tokens: 1,
      lossNats: 1,
    },
  }),
  stateRoot: (round: number) => ({ kind: 'stateRoot', round, root, checkpoint: null }),
  large: () => ({ kind: 'large', cid: cidOf('l'), bytes: 100_000 }),
} satisfies Record<GossipBody['kind'], (round: number) => GossipBody>

const headView: GossipView = {
  ...{ run: aRun, heads: [head, standby], term, round: 5 },
  isMember: (author) => author === member,
  authoritative: true,
}
const workerView: GossipView = { ...headView, authoritative: false }

interface Case {
  readonly who?: WorkerId
  readonly run?: RunId
  readonly term?: number
  readonly says: GossipBody
}
const outcome = (view: GossipView, { who = member, run = aRun, term: of = term, says }: Case): string => {
  const { verdict, code } = judge(view, who, { run, term: of, body: says })
  return `${verdict} ${code}`
}

test.each<[string, Case, string, string]>([
  ['a commit of this round', { says: bodies.commit(5) }, 'accept OK', 'accept OK'],
  ['a reveal of this round', { says: bodies.reveal(5) }, 'accept OK', 'accept OK'],
  ['a late commit', { says: bodies.commit(4) }, 'ignore LATE', 'ignore LATE'],
  ['a late reveal', { says: bodies.reveal(0) }, 'ignore LATE', 'ignore LATE'],
  // The head alone decides which round it is; a worker may be one behind, or more, and punishes nobody for it.
  ['a commit of the next round', { says: bodies.commit(6) }, 'reject FUTURE', 'accept OK'],
  ['a commit from far ahead', { says: bodies.commit(7) }, 'reject FUTURE', 'ignore FUTURE'],
  ['a reveal from far ahead', { says: bodies.reveal(0xffffffff) }, 'reject FUTURE', 'ignore FUTURE'],
  ['the root of the round before', { says: bodies.stateRoot(4) }, 'accept OK', 'accept OK'],
  ['the root of an old round', { says: bodies.stateRoot(1) }, 'accept OK', 'ignore LATE'],
  // Of a round that only the head before this one has published: an honest worker may say it.
  ['the root of a round to come', { says: bodies.stateRoot(6) }, 'ignore FUTURE', 'accept OK'],
  [
    'an unknown sender',
    { who: stranger, says: bodies.commit(5) },
    'ignore UNKNOWN_SENDER',
    'ignore UNKNOWN_SENDER',
  ],
  ['another run', { run: runId('x'), says: bodies.commit(5) }, 'reject WRONG_RUN', 'reject WRONG_RUN'],
  [
    'another run’s head',
    { who: standby, run: runId('x'), says: bodies.runEnd(1) },
    'reject WRONG_RUN',
    'reject WRONG_RUN',
  ],
  [
    'a commit to an older head',
    { term: 8, says: bodies.commit(5) },
    'ignore OTHER_TERM',
    'ignore OTHER_TERM',
  ],
  [
    'a commit to a newer head',
    { term: 10, says: bodies.commit(5) },
    'ignore OTHER_TERM',
    'ignore OTHER_TERM',
  ],
  ['the head', { who: standby, says: bodies.roundOpen(5) }, 'accept OK', 'accept OK'],
  ['the head, far ahead', { who: standby, says: bodies.roundOpen(99) }, 'accept OK', 'accept OK'],
  ['the head, in a block', { who: standby, says: bodies.large() }, 'accept OK', 'accept OK'],
  [
    'the older head in the term of the newer',
    { who: head, says: bodies.roundOpen(5) },
    'reject NOT_THE_HEAD',
    'reject NOT_THE_HEAD',
  ],
  [
    'a term whose head is not known yet',
    { who: stranger, term: 10, says: bodies.roundOpen(5) },
    'ignore UNKNOWN_HEAD',
    'ignore UNKNOWN_HEAD',
  ],
  ['a worker with a block', { says: bodies.large() }, 'reject NOT_THE_HEAD', 'reject NOT_THE_HEAD'],
  [
    'the head of an older term',
    { who: head, term: 8, says: bodies.manifest() },
    'ignore STALE_TERM',
    'ignore STALE_TERM',
  ],
  ['the head of a newer term', { who: head, term: 16, says: bodies.runEnd(5) }, 'accept OK', 'accept OK'],
  [
    'a worker that opens a round',
    { says: bodies.roundOpen(5) },
    'reject NOT_THE_HEAD',
    'reject NOT_THE_HEAD',
  ],
  [
    'a worker that opens reveals',
    { says: bodies.revealOpen(5) },
    'reject NOT_THE_HEAD',
    'reject NOT_THE_HEAD',
  ],
  ['a worker with a manifest', { says: bodies.manifest() }, 'reject NOT_THE_HEAD', 'reject NOT_THE_HEAD'],
  ['a worker that ends the run', { says: bodies.runEnd(5) }, 'reject NOT_THE_HEAD', 'reject NOT_THE_HEAD'],
  [
    'a stranger as head',
    { who: stranger, says: bodies.runEnd(5) },
    'reject NOT_THE_HEAD',
    'reject NOT_THE_HEAD',
  ],
  [
    'the head as a worker',
    { who: standby, says: bodies.commit(5) },
    'ignore UNKNOWN_SENDER',
    'ignore UNKNOWN_SENDER',
  ],
])('%s', (_, message, atHead, atWorker) => {
  expect(outcome(headView, message)).toBe(atHead)
  expect(outcome(workerView, message)).toBe(atWorker)
})
