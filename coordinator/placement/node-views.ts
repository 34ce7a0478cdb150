import type { NodeReport } from '../../protocol/report.ts'
import type { NodeOffer } from '../../protocol/wire.ts'
import type { NodeView } from './views.ts'

const silent: NodeOffer = {
  devices: [],
  cores: 0,
  memoryBytes: 0,
  diskBytes: 0,
  upBytesPerSecond: 0,
  downBytesPerSecond: 0,
  roundTripMs: 0,
  labels: [],
}

/** A node as placement sees it, from what a head reports of it. Of two labels with one key the last counts. */
export function reportedNode({
  id,
  name,
  run,
  tokensPerSecond,
  connected,
  status,
  offer,
}: NodeReport): NodeView {
  const { labels, ...offered } = offer ?? silent
  return {
    ...offered,
    ...{ id, name, run, tokensPerSecond },
    alive: connected,
    draining: status === 'draining',
    misses: 0,
    labels: new Map(labels.map(({ key, value }) => [key, value])),
  }
}
