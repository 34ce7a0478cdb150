import type { Nuisance } from '../network/gossip.ts'
import { log } from './log.ts'

const done: { readonly [Kind in Nuisance['kind']]: string } = {
  rejected: 'says what no honest node says; it is scored down and soon not read',
  flood: 'says more than a node has to say; what is above its rate is dropped',
  requests: 'asks more often than a worker has to; what is above its rate is refused',
}

/** Names a peer that costs this node more than it should: once a minute for each and kind. */
export function logNuisance({ peer, kind }: Nuisance): void {
  log('PEER_NUISANCE', `${peer} ${done[kind]}`, { worker: peer })
}
