import { openLogFile } from './log-file.ts'

/** What a line is about, for whoever filters logs; the text is whole without it. */
export interface LogFields {
  readonly run?: string
  readonly round?: number
  readonly worker?: string
  readonly cid?: string
}

export type LogFormat = 'text' | 'json'

export interface LogOptions {
  readonly format?: LogFormat
  /** Write there, with rotation, instead of to stderr: the node runs detached. */
  readonly file?: string
}

let format: LogFormat = process.env.MURMUR_LOG === 'json' ? 'json' : 'text'
let write = (line: string): void => void process.stderr.write(line)
let toFile = false

/**
 * One line a fact on stderr or in the log file: time, code, text; with `--log-format json` or MURMUR_LOG=json a JSON
 * object with the fields too. Control characters are dropped, since texts can come from peers and files, and a terminal
 * would obey them.
 */
export function log(code: string, text: string, fields: LogFields = {}): void {
  write(logLine(new Date(), code, text, fields, format))
}

/** How this process logs from now on. */
export function configureLog(options: LogOptions): void {
  format = options.format ?? format
  if (options.file === undefined) return
  write = openLogFile(options.file)
  toFile = true
  // What else is printed belongs into the log too, and under its quota: warnings of libraries, the reason of a failure.
  process.stderr.write = ((chunk: unknown) => {
    for (const line of String(chunk).split('\n')) if (line.trim() !== '') log('STDERR', line)
    return true
  }) as typeof process.stderr.write
}

/** Whether stderr is for machines: what is meant for people there is a line of the log instead. */
export function stderrIsLog(): boolean {
  return toFile || format === 'json'
}

/** One line of the log, with its end. */
export function logLine(at: Date, code: string, text: string, fields: LogFields, as: LogFormat): string {
  if (as === 'text') return `${at.toISOString()} ${printable(code)} ${printable(text)}\n`
  const clean = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? printable(value) : value]),
  )
  return `${JSON.stringify({ at: at.toISOString(), code: printable(code), text: printable(text), ...clean })}\n`
}

/** Text that is safe to print: no control characters (C0, DEL, C1), none that turn the direction of writing. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, ' ')
}
