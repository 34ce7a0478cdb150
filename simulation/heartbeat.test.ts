import { expect, test } from 'vitest'
import { initialRoundState } from '../coordinator/round/state.ts'
import { hasHeard } from './heartbeat.ts'
import { peerName } from './names.ts'
import { noFaults, planOf } from './plan.ts'
import { Simulation } from './simulation.ts'

const [a, b] = [peerName(8), peerName(9)]
const { rules } = new Simulation(planOf(1, { faults: noFaults }))
const state = { ...initialRoundState(rules), leading: true, term: 8, round: 3 }
const told = { round: 3, term: 8, newest: null }

test('an opening is not repeated to those who train for it, or whose commit is here', () => {
  const open = {
    ...state,
    phase: { kind: 'commit', deadlineMs: 9, graceMs: null } as const,
    commits: state.commits.set(a, rules.initialRoot),
  }
  expect(hasHeard(open, b, { ...told, phase: 'training' })).toBe(true)
  expect(hasHeard(open, a, { ...told, phase: 'committed' })).toBe(true)
  // What it committed under the head before counts for nothing here: it must hear that the round is open again.
  expect(hasHeard(open, b, { ...told, phase: 'committed' })).toBe(false)
  for (const behind of [{ term: 0 }, { round: 2 }, { phase: 'ready' }])
    expect(hasHeard(open, b, { ...told, phase: 'training', ...behind })).toBe(false)
})

test('the close of the commits is repeated until the reveal is here, a manifest always', () => {
  const closed = { ...state, phase: { kind: 'reveal', deadlineMs: 9 } as const }
  expect(hasHeard(closed, a, { ...told, phase: 'revealed' })).toBe(false)
  const refused = { ...closed, refused: closed.refused.set(a, 'TRACE_LENGTH') }
  expect(hasHeard(refused, a, { ...told, phase: 'revealed' })).toBe(true)
  expect(hasHeard({ ...state, phase: { kind: 'forming' } }, a, { ...told, phase: 'ready' })).toBe(false)
})
