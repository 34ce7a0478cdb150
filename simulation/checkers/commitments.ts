import { commitHash } from '../../protocol/commitment.ts'
import type { Hash } from '../../protocol/ids.ts'
import { traceRoot } from '../../verification/trace.ts'
import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

/** Every admitted contribution was committed to before anything of its round was revealed. */
export function commitments(simulation: Simulation, expect: Expect): Checker {
  /** What was said, by worker and round. */
  const committed = new Map<string, Set<Hash>>()
  /** What a head has closed the commit window with. */
  const listed = new Map<string, Set<Hash>>()
  const salts = new Map<string, Set<Hash>>()
  const add = (to: Map<string, Set<Hash>>, key: string, hash: Hash) => {
    const known = to.get(key)
    if (known === undefined) to.set(key, new Set([hash]))
    else known.add(hash)
  }
  return {
    said(author, { body }) {
      if (body.kind === 'commit') add(committed, `${author.id} ${body.round}`, body.hash)
      if (body.kind === 'reveal')
        add(salts, `${author.id} ${body.round} ${body.contribution} ${body.trace.at(-1)}`, body.salt)
      if (body.kind !== 'revealOpen') return
      for (const { worker, hash } of body.commits) {
        const key = `${worker} ${body.round}`
        add(listed, key, hash)
        expect(committed.get(key)?.has(hash) === true, 'reveal-matches-commit', () => [
          `round ${body.round} lists a commit that ${worker} never said`,
        ])
      }
    },
    manifest(_, { round, entries }) {
      for (const { worker, contribution, trace } of entries) {
        const root = traceRoot(trace)
        const known = salts.get(`${worker} ${round} ${contribution} ${trace.at(-1)}`) ?? new Set()
        const matches = [...known].some((salt) => {
          const hash = commitHash({ run: simulation.run, worker, round, contribution, traceRoot: root, salt })
          return listed.get(`${worker} ${round}`)?.has(hash) === true
        })
        expect(matches, 'reveal-matches-commit', () => [
          `round ${round} admits what ${worker} had not committed to when the commits closed`,
        ])
      }
    },
  }
}
