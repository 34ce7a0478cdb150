import { adamW, defaultAdamW } from './adamw.ts'
import { defaultLion, lion } from './lion.ts'
import { defaultMuon, defaultNorMuon, muon } from './muon.ts'
import type { Optimizer } from './optimizer.ts'
import { defaultSgd, sgd } from './sgd.ts'

/** Takes the steps between two averages. */
export type InnerOptimizer = 'adamw' | 'muon' | 'normuon' | 'sgd' | 'lion'

/** Where an optimizer departs from its defaults; null and absent are the same. An optimizer reads those that it has. */
export interface OptimizerConstants {
  readonly weightDecay?: number | null
  readonly clipNorm?: number | null
  readonly beta1?: number | null
  readonly beta2?: number | null
  readonly momentum?: number | null
  readonly nesterov?: boolean | null
}

/** @throws MurmurError MODEL_INVALID (exit `usage`): constants that contradict each other. */
export function innerOptimizer(name: InnerOptimizer, constants: OptimizerConstants = {}): Optimizer {
  switch (name) {
    case 'adamw':
      return adamW(filled(defaultAdamW, constants))
    case 'muon':
      return muon(filled(defaultMuon, constants))
    case 'normuon':
      return muon(filled(defaultNorMuon, constants))
    case 'sgd':
      return sgd(filled(defaultSgd, constants))
    case 'lion':
      return lion(filled(defaultLion, constants))
    default:
      return name satisfies never
  }
}

function filled<Options extends object>(defaults: Options, constants: OptimizerConstants): Options {
  const given = Object.entries(constants).filter(
    ([name, value]) => value !== null && value !== undefined && Object.hasOwn(defaults, name),
  )
  return { ...defaults, ...Object.fromEntries(given) }
}
