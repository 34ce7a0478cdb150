/**
 * One line a fact on stderr: time, code, text. Control characters are dropped, since texts can come from peers and
 * files, and a terminal would obey them.
 */
export function log(code: string, text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${code} ${printable(text)}\n`)
}

/** Text that is safe to print: no control characters (C0, DEL, C1), no bidirectional overrides. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, ' ')
}
