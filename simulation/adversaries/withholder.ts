import type { Behaviour } from '../behaviour.ts'

/** Commits in every round, and then in turns gives nobody the bytes, or does not reveal. */
export const withholder: Behaviour = {
  name: 'withholder',
  say: (_, message) => (message.body.kind === 'reveal' && message.body.round % 2 === 1 ? [] : [message]),
  serves: () => false,
}
