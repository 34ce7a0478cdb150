import type { RunId } from './ids.ts'

/** The gossip topic of a run. */
export const topicOf = (run: RunId): string => `/murmur/1/${run}`
