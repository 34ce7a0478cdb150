import { type Behaviour, honest } from '../behaviour.ts'
import type { Plan } from '../plan.ts'
import { copycat } from './copycat.ts'
import { flooder } from './flooder.ts'
import { freeRider } from './free-rider.ts'
import { colluder, liar } from './liar.ts'
import { sybil } from './sybil.ts'
import { withholder } from './withholder.ts'

/** How each worker of a plan behaves. Adversaries are fewer than a quorum can miss. */
export function behavioursOf({ workers, adversary }: Plan): readonly Behaviour[] {
  const cast = Array.from({ length: workers }, () => honest)
  const several = Math.max(1, Math.floor((workers - 1) / 3))
  switch (adversary) {
    case null:
    case 'equivocating-head':
      break
    case 'liar':
      cast[0] = liar
      break
    case 'copycat':
      cast[0] = copycat
      break
    case 'free-rider':
      cast[0] = freeRider
      break
    case 'flooder':
      cast[0] = flooder
      break
    case 'withholder':
      cast[0] = withholder
      break
    case 'sybils':
      cast.fill(sybil, 0, several)
      break
    case 'colluders':
      cast.fill(colluder, 0, several)
      break
    default:
      adversary satisfies never
  }
  return cast
}
