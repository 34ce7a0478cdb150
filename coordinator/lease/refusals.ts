import { MurmurError } from '../../protocol/errors.ts'
import type { WorkerId } from '../../protocol/ids.ts'

/** What a head answers to those whom it cannot serve. The codes are understood by the heads that ask. */

export const tokenRefused = () =>
  new MurmurError('JOIN_REFUSED', {
    message: 'the token is missing or wrong',
    next: 'ask the head’s owner for it, and pass it with --token',
    exit: 'auth',
  })

export const tooManyRequests = () =>
  new MurmurError('TOO_MANY_REQUESTS', {
    message: 'this peer asks more often than any worker has to',
    next: 'ask again in a second',
    exit: 'timeout',
  })

export const headsFull = () =>
  new MurmurError('HEADS_FULL', {
    message: 'the cluster has as many heads as it can',
    next: 'start this node as a worker',
    exit: 'infeasible',
  })

export const notTheLeader = (peer: WorkerId, term: number) =>
  new MurmurError('NOT_THE_LEADER', {
    message: `${peer} cannot lead term ${term} as far as this head knows`,
    next: 'it follows the head that leads, and learns of new heads from it',
    exit: 'auth',
  })

export const notFollowing = () =>
  new MurmurError('NOT_FOLLOWING', {
    message: 'this head has not asked to follow in this term yet',
    next: 'it does so now; tell it again',
  })

export const noLeader = () =>
  new MurmurError('NO_LEADER', {
    message: 'this head hears no leader',
    next: 'ask again in a second: a standby takes over',
    exit: 'unreachable',
  })

export const logNewer = () =>
  new MurmurError('LOG_NEWER', {
    message: 'this head hears no leader, and has more of the log than the one that asks',
    next: 'ask again in a second: it takes over',
    exit: 'unreachable',
  })
