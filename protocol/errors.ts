/** Exit codes of the command line (docs/protocol.md, "Exit codes"). */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  auth: 4,
  infeasible: 5,
  funds: 6,
  verification: 7,
  reverted: 8,
  version: 9,
  timeout: 10,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const

export type ExitKind = keyof typeof exitCodes

/** What an inbound message's judge tells gossip: relay it, drop it silently, or drop it and score its sender down. */
export type Verdict = 'accept' | 'ignore' | 'reject'

export interface MurmurErrorOptions {
  /** One sentence that names the cause. */
  readonly message: string
  /** The next thing the reader can do about it. */
  readonly next: string
  /** Which exit code the command line ends with; `failed` unless told. */
  readonly exit?: ExitKind
  /** For errors about an inbound message: what gossip is told. */
  readonly verdict?: Verdict
  readonly details?: Readonly<Record<string, string | number | bigint | boolean>>
  readonly cause?: unknown
}

/** The one error that users and peers may see: a stable code, the cause in words, and what to do next. */
export class MurmurError extends Error {
  readonly code: string
  readonly next: string
  readonly exit: ExitKind
  readonly verdict: Verdict
  readonly details: Readonly<Record<string, string | number | bigint | boolean>>

  constructor(code: string, options: MurmurErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MurmurError'
    this.code = code
    this.next = options.next
    this.exit = options.exit ?? 'failed'
    this.verdict = options.verdict ?? 'reject'
    this.details = options.details ?? {}
  }
}

/** True for a {@link MurmurError}, of one code when given. */
export function isMurmurError(error: unknown, code?: string): error is MurmurError {
  return error instanceof MurmurError && (code === undefined || error.code === code)
}

/** An error in one line, for logs: its code when it has one, and what it says. */
export function errorText(error: unknown): string {
  if (error instanceof MurmurError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

/** Broken invariants crash, in production too. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}
