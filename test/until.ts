import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 50

/**
 * Polls until `look` gives something, and gives that. A test waits for what it needs, never for a length of time;
 * `timeoutMs` only bounds how long a broken run may hang before the test says what it was waiting for.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => T | Promise<T>,
  explain: () => string | Promise<string> = () => '',
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== null && found !== false) {
      return found as Exclude<T, undefined | null | false>
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}\n${await explain()}`)
    await sleep(pollMs)
  }
}
