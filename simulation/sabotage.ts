import type { RoundManifest } from '../protocol/wire.ts'

/** Breaks one rule on purpose, to show that its checker sees it. Nothing else uses this. */
export const sabotages = {
  /** A head whose journal never reaches its disk. */
  'forgetful-head': 'terms-fenced',
  /** An escrow that does not ask for the term, and a head that settles in an old one. */
  'unfenced-escrow': 'terms-fenced',
  /** A head that counts a worker's tokens twice. */
  'double-pay': 'settled-once',
  /** A head that draws audits by a block that the chain may still forget. */
  'hasty-draw': 'canonical-draw',
  /** A head that lets in more tokens than were asked for. */
  'double-credit': 'credited-once',
  /** A head whose aggregate depends on more than what it admitted. */
  'moody-aggregate': 'function-of-the-admitted',
  /** A worker that adds up otherwise than the others. */
  'other-arithmetic': 'one-aggregate',
  /** A head that admits what nobody committed to. */
  'uncommitted-reveal': 'reveal-matches-commit',
  /** A bit flips in a worker's memory. */
  'poisoned-parameters': 'parameters-finite',
  /** Training that climbs. */
  uphill: 'approaches-the-optimum',
  /** A head that leaves out the link to the round before. */
  'broken-chain': 'chain-unbroken',
  /** A disk that loses the second half of what it had promised to keep. */
  'lying-disk': 'no-rewind-below-settled',
  /** A network that keeps every message for ever. */
  'unbounded-queue': 'queues-bounded',
  /** A head that takes lateness for malice. */
  'harsh-head': 'honest-not-rejected',
  /** Nobody comes back when everything heals. */
  'nobody-returns': 'liveness',
  /** A liar that audits overlook is paid as if it had worked. */
  'blind-audits': 'adversary-costs-its-share',
} as const

export type Sabotage = keyof typeof sabotages

/** The manifest that a sabotaged head signs in place of `manifest`. */
export function sabotagedManifest(sabotage: Sabotage | null, manifest: RoundManifest): RoundManifest {
  const [entry, ...others] = manifest.entries
  if (sabotage === 'broken-chain') return { ...manifest, parent: null }
  if (entry === undefined) return manifest
  if (sabotage === 'double-credit')
    return { ...manifest, entries: [{ ...entry, tokens: 2 * entry.tokens }, ...others] }
  if (sabotage === 'uncommitted-reveal')
    return {
      ...manifest,
      entries: [{ ...entry, trace: [entry.trace[0]!, ...entry.trace.slice(1).reverse()] }, ...others],
    }
  return manifest
}
