import { expect, test } from 'vitest'
import { runId } from '../../protocol/ids.ts'
import { feasibility } from './feasibility.ts'
import { cuda, node, runOf } from './fixtures/views.ts'

const GiB = 2 ** 30
const spec = (traits: Parameters<typeof runOf>[1]) => ({ ...runOf('r', traits).spec, name: 'r' })

test('nodes that have other work count, those that cannot ever do not', () => {
  const two = spec({ workers: { min: 2 } })
  const [busy, free] = [node('a', { run: runId('x') }), node('b')]
  expect(feasibility(two, [busy, free], 0)).toEqual({ kind: 'fits', workers: new Set([busy.id, free.id]) })
  const gone = feasibility(two, [node('a'), node('b', { alive: false })], 0)
  expect(gone).toMatchObject({ kind: 'infeasible', pending: { have: 1, need: 2 } })
})

test('what the program takes is demanded, whatever the run file says', () => {
  const gpu = [node('a', { devices: [cuda(4 * GiB)] })]
  expect(feasibility(spec({ resources: { device: 'cuda' } }), gpu, 4 * GiB).kind).toBe('fits')
  expect(feasibility(spec({ resources: { device: 'cuda' } }), gpu, 5 * GiB).kind).toBe('infeasible')
})

test('memory that nobody knows meets no demand of the run file', () => {
  const silent = [node('a', { devices: [], memoryBytes: 0 })]
  expect(feasibility(spec({}), silent, 4 * GiB).kind).toBe('fits')
  expect(feasibility(spec({ resources: { memoryBytes: 1 } }), silent, 0).kind).toBe('infeasible')
})

test('of a cluster that nobody has joined nothing can be said', () => {
  expect(feasibility(spec({}), [], 0).kind).toBe('no-nodes')
  expect(feasibility(spec({}), [node('a', { alive: false })], 0).kind).toBe('no-nodes')
})
