import { MurmurError } from '../protocol/errors.ts'

/** The options of `murmur start`, as they were typed. */
export interface StartOptions {
  readonly head?: boolean
  readonly address?: string
  readonly home?: string
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
  readonly token?: string
  readonly headToken?: string
  readonly accountKey?: string
  readonly detach?: boolean
  readonly json?: boolean
  readonly logFormat?: string
  readonly logFile?: string
  // of a head
  readonly apiPort: string
  readonly devnet?: boolean
  readonly chain?: string
  readonly standby?: boolean
  readonly relay: boolean
  readonly minStake?: string
  // of a worker
  readonly name: string
  readonly devAccount?: string
  readonly pay: boolean
  readonly payout?: string
  readonly payoutSignature?: string
  readonly gpus?: string
  readonly engine: string
  readonly maxUpload?: string
  readonly schedule?: string
  readonly labels?: string
}

/** Options that contradict each other or say nothing. */
export function unclear(message: string, next: string): MurmurError {
  return new MurmurError('START_UNCLEAR', { message, next, exit: 'usage' })
}
