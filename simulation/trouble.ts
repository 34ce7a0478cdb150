import { Draws } from './draws.ts'
import type { Simulation } from './simulation.ts'
import type { VirtualNode } from './virtual-node.ts'

/** Draws when each fault of the plan strikes, and whom. All before the plan's trouble is over. */
export function strike(simulation: Simulation): void {
  const { plan, time, network, chain, heads, workers } = simulation
  const { faults, troubleMs } = plan
  const draws = new Draws(plan.seed, 0, 'faults')
  const nodes: readonly VirtualNode[] = [...heads, ...workers]
  const times = (count: number, act: () => () => void) => {
    for (let index = 0; index < count; index++) {
      const at = draws.below(troubleMs)
      const run = act()
      time.after(at, run)
    }
  }

  times(faults.oneWayCuts, () => {
    const [from, to, durationMs] = [draws.pick(nodes), draws.pick(nodes), draws.between(5_000, 60_000)]
    return () => {
      if (simulation.healed) return
      simulation.trace(() => `cut ${from.number} > ${to.number} for ${durationMs} ms`)
      network.cut(from.number, to.number, durationMs)
    }
  })
  times(faults.isolations, () => {
    const [node, durationMs, way] = [draws.pick(nodes), draws.between(5_000, 60_000), draws.below(3)]
    return () => {
      simulation.trace(() => `isolate ${node.number} for ${durationMs} ms, way ${way}`)
      if (way !== 1) network.cut(node.number, '*', durationMs)
      if (way !== 2) network.cut('*', node.number, durationMs)
    }
  })
  const crash = (node: VirtualNode, downMs: number) => () => {
    if (!node.up) return
    simulation.trace(() => `crash ${node.number} for ${downMs} ms`)
    node.crash()
    time.after(downMs, () => {
      if (node.up || simulation.sabotage === 'nobody-returns') return
      simulation.trace(() => `restart ${node.number}`)
      node.restart()
    })
  }
  times(faults.workerCrashes, () => crash(draws.pick(workers), draws.between(100, 40_000)))
  times(faults.headCrashes, () => crash(draws.pick(heads), draws.between(100, 20_000)))
  times(faults.pauses, () => {
    const [node, durationMs] = [draws.pick(nodes), draws.between(500, 40_000)]
    return () => {
      simulation.trace(() => `pause ${node.number} for ${durationMs} ms`)
      node.pause(durationMs)
    }
  })
  times(faults.reorgs, () => () => {
    simulation.trace(() => 'the chain reorganizes')
    chain.reorganize()
  })
  times(faults.gasSpikes, () => {
    const durationMs = draws.between(10_000, 60_000)
    return () => chain.gasSpike(durationMs)
  })
  times(faults.ownerActs, () => ownerAct(simulation, draws))
}

function ownerAct(simulation: Simulation, draws: Draws): () => void {
  const { time, heads, workers } = simulation
  const tellLeader = (event: { readonly kind: 'pause' } | { readonly kind: 'resume' }) => {
    for (const head of heads)
      if (head.leads && head.state.paused !== (event.kind === 'pause')) head.tell(event)
  }
  switch (draws.below(3)) {
    case 0: {
      const durationMs = draws.between(1_000, 20_000)
      return () => {
        simulation.trace(() => `the owner pauses the run for ${durationMs} ms`)
        tellLeader({ kind: 'pause' })
        // Said again whenever a head that did not hear it leads.
        time.after(durationMs, () =>
          time.every(5_000, () => {
            tellLeader({ kind: 'resume' })
            return true
          }),
        )
      }
    }
    case 1: {
      const worker = draws.pick(workers)
      return () => {
        simulation.trace(() => `${worker.number} is told to drain`)
        worker.drain()
      }
    }
    default: {
      const stops = draws.below(3) === 0
      return () => {
        if (!stops) return
        simulation.trace(() => 'the owner stops the run')
        simulation.stopped = true
        for (const head of heads) if (head.leads) head.tell({ kind: 'stop', reason: 'stopped by its owner' })
      }
    }
  }
}
