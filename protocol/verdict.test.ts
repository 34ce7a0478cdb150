import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import { type RunId, runId, type WorkerId } from './ids.ts'
import { type GossipView, judge } from './verdict.ts'
import type { GossipBody } from './wire.ts'

const [head, member, stranger] = [peer(0), peer(1), peer(2)]
const root = hashOf('root')

const bodies = {
  roundOpen: (round: number) => ({
    kind: 'roundOpen',
    round,
    stateRoot: root,
    parent: null,
    members: [member],
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
} satisfies Record<GossipBody['kind'], (round: number) => GossipBody>

const headView: GossipView = {
  ...{ run: aRun, head, term: 3, round: 5 },
  members: new Set([member]),
  authoritative: true,
}
const workerView: GossipView = { ...headView, authoritative: false }

interface Case {
  readonly who?: WorkerId
  readonly run?: RunId
  readonly term?: number
  readonly says: GossipBody
}
const outcome = (view: GossipView, { who = member, run = aRun, term = 3, says }: Case): string => {
  const { verdict, code } = judge(view, who, { run, term, body: says })
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
  ['the root of a round to come', { says: bodies.stateRoot(6) }, 'reject FUTURE', 'accept OK'],
  [
    'an unknown sender',
    { who: stranger, says: bodies.commit(5) },
    'ignore UNKNOWN_SENDER',
    'ignore UNKNOWN_SENDER',
  ],
  ['another run', { run: runId('x'), says: bodies.commit(5) }, 'reject WRONG_RUN', 'reject WRONG_RUN'],
  [
    'another run’s head',
    { who: head, run: runId('x'), says: bodies.runEnd(1) },
    'reject WRONG_RUN',
    'reject WRONG_RUN',
  ],
  [
    'a commit to an older head',
    { term: 2, says: bodies.commit(5) },
    'ignore OTHER_TERM',
    'ignore OTHER_TERM',
  ],
  ['a commit to a newer head', { term: 4, says: bodies.commit(5) }, 'ignore OTHER_TERM', 'ignore OTHER_TERM'],
  ['the head', { who: head, says: bodies.roundOpen(5) }, 'accept OK', 'accept OK'],
  ['the head, far ahead', { who: head, says: bodies.roundOpen(99) }, 'accept OK', 'accept OK'],
  [
    'the head of an older term',
    { who: head, term: 2, says: bodies.manifest() },
    'ignore STALE_TERM',
    'ignore STALE_TERM',
  ],
  ['the head of a newer term', { who: head, term: 4, says: bodies.runEnd(5) }, 'accept OK', 'accept OK'],
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
    { who: head, says: bodies.commit(5) },
    'ignore UNKNOWN_SENDER',
    'ignore UNKNOWN_SENDER',
  ],
])('%s', (_, message, atHead, atWorker) => {
  expect(outcome(headView, message)).toBe(atHead)
  expect(outcome(workerView, message)).toBe(atWorker)
})
