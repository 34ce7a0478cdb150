import { leaderIndex } from '../../protocol/term.ts'
import type { Simulation } from '../simulation.ts'
import type { Checker, Expect } from './checker.ts'

const headOnly = new Set(['roundOpen', 'revealOpen', 'manifest', 'runEnd', 'large'])

/** A term is one process's leadership; nobody acts on the word of a lower one than it has heard of, the escrow included. */
export function terms(simulation: Simulation, expect: Expect): Checker {
  const processOf = new Map<number, string>()
  const numbers = new Map(simulation.heads.map(({ id, number }) => [id, number]))
  let seen = 0
  return {
    said(author, { term, body }) {
      if (!headOnly.has(body.kind) || !simulation.heads.some((head) => head === author)) return
      const process = `head ${author.number}, process ${author.incarnation}`
      const other = processOf.get(term)
      expect(leaderIndex(term) === author.number, 'terms-fenced', () => [`${process} speaks in term ${term}`])
      expect(other === undefined || other === process, 'terms-fenced', () => [
        `${other} and ${process} both speak in term ${term}`,
      ])
      processOf.set(term, process)
    },
    headStep(head, _, event) {
      if (event.kind !== 'lead') return
      const other = processOf.get(event.term)
      expect(
        other === undefined || other === `head ${head.number}, process ${head.incarnation}`,
        'terms-fenced',
        () => [`head ${head.number} leads in term ${event.term}, in which ${other} has spoken`],
      )
    },
    workerStep(worker, before, event, { state, effects }) {
      if (!worker.honest) return
      expect(state.term >= before.term, 'terms-fenced', () => [
        `worker ${worker.number} goes back to term ${state.term}`,
      ])
      if (event.kind === 'manifest' && effects.some(({ kind }) => kind === 'apply'))
        expect(event.manifest.term >= before.appliedTerm, 'terms-fenced', () => [
          `worker ${worker.number} applies round ${event.manifest.round} of the old term ${event.manifest.term}`,
        ])
      if (event.kind !== 'message' || !numbers.has(event.author) || event.message.term >= before.term) return
      expect(state === before && effects.length === 0, 'terms-fenced', () => [
        `worker ${worker.number} acts on a ${event.message.body.kind} of the old term ${event.message.term}`,
      ])
    },
    block({ newest }) {
      for (const { term, leaseTerm } of newest.settlements.slice(seen))
        expect(term === leaseTerm, 'terms-fenced', () => [
          `an epoch is settled by the leader of term ${term} while term ${leaseTerm} holds the lease`,
        ])
      // A reorganization may take back what was seen; what comes in its place is looked at again.
      seen = Math.max(0, newest.settlements.length - 4)
    },
  }
}
