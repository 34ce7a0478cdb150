import type { Behaviour } from '../behaviour.ts'

/** One of many identities of one host that trains nothing: it takes places, and leaves them empty. */
export const sybil: Behaviour = {
  name: 'sybil',
  say: (_, message) => (message.body.kind === 'stateRoot' ? [message] : []),
}
