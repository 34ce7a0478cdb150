import type { Gossip } from '../../protocol/wire.ts'
import { applied, openSigned, signedManifest } from '../history.ts'
import { SimulatedHead } from '../simulated-head.ts'
import type { Simulation } from '../simulation.ts'
import type { VirtualNode } from '../virtual-node.ts'
import { encodeGossip } from '../wire-cache.ts'

const told = new WeakMap<Gossip, Uint8Array | null>()

/** In every other round the head tells half of the workers of another, empty round, signed as the true one is. */
export function equivocated(
  simulation: Simulation,
  author: VirtualNode,
  to: VirtualNode,
  message: Gossip,
): Uint8Array | null {
  if (simulation.plan.adversary !== 'equivocating-head' || simulation.healed) return null
  if (message.body.kind !== 'manifest' || to.number % 2 === 0 || !(author instanceof SimulatedHead))
    return null
  const known = told.get(message)
  if (known !== undefined) return known
  const manifest = openSigned(message.body.signedManifest, author.state.heads)
  let other: Uint8Array | null = null
  if (manifest !== null && manifest.round % 2 === 0) {
    const start = author.replica.starts.get(manifest.round)!
    const nobodys = { ...manifest, entries: [], average: null }
    const { stateRoot } = applied(simulation.training, start, nobodys, () => undefined)!
    const empty = { ...nobodys, stateRoot, checkpoint: null }
    const body = { kind: 'manifest', signedManifest: signedManifest(empty, author.id) } as const
    other = encodeGossip({ ...message, body })
  }
  told.set(message, other)
  return other
}
