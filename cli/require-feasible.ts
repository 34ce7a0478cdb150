import { setTimeout as sleep } from 'node:timers/promises'
import { feasibility } from '../coordinator/placement/feasibility.ts'
import { reportedNode } from '../coordinator/placement/node-views.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { ApiClient } from './api-client.ts'
import { printable } from './log.ts'
import type { PreparedRun } from './submit.ts'

/** How long after its start a head is still gathering: the workers of `murmur up` join within seconds. */
const gatheringMs = 30_000
const lookMs = 250

/**
 * Refuses a run that the nodes which are there could not start even if all were free. A cluster that nobody has joined yet
 * says nothing, and a head that has just been started is given time to gather; a run submitted before is not asked again.
 * @throws MurmurError INFEASIBLE (exit `infeasible`): what is missing, and what would help.
 */
export async function requireFeasible(
  api: Pick<ApiClient, 'status'>,
  { run, spec, model }: Pick<PreparedRun, 'run' | 'spec' | 'model'>,
  now: () => number = Date.now,
): Promise<void> {
  for (;;) {
    const { nodes, runs, startedAt } = await api.status()
    if (runs.some((known) => known.run === run)) return
    const answer = feasibility(spec, nodes.map(reportedNode), model.memoryBytes)
    if (answer.kind === 'fits') return
    const { text, fix } = answer.pending
    if (answer.kind === 'no-nodes') {
      process.stderr.write(`it will wait: ${printable(text)}; ${printable(fix)}\n`)
      return
    }
    if (now() - startedAt >= gatheringMs) {
      throw new MurmurError('INFEASIBLE', {
        message: `the nodes that are there cannot start it: ${text}`,
        next: `${fix}; with --queue it waits for such nodes`,
        exit: 'infeasible',
      })
    }
    await sleep(lookMs)
  }
}
