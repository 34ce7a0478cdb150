import { MurmurError } from '../../protocol/errors.ts'
import type { NodeOffer } from '../../protocol/wire.ts'

export type Label = NodeOffer['labels'][number]

/** As the join message takes them (`protocol/wire.ts`). */
const maxLabels = 16
const keyPattern = /^[a-z0-9][a-z0-9./-]{0,62}$/
/** Nothing that a terminal obeys: no control characters, and none that turn the direction of writing. */
const valuePattern = /^[^\p{Cc}\p{Cf}\u2028\u2029]{1,63}$/u

/**
 * Labels of a node from `region=eu,asn=3320`: what placement spreads or packs over.
 * @throws MurmurError LABELS_INVALID (exit `usage`)
 */
export function parseLabels(text: string): readonly Label[] {
  const labels = text.split(',').map((part): Label => {
    const [key = '', value] = splitOnce(part.trim())
    if (!keyPattern.test(key))
      throw invalid(`"${shown(key)}" is not a key: at most 63 of a-z, 0-9, dot, slash and hyphen`)
    if (value === undefined || !valuePattern.test(value))
      throw invalid(`the value of ${key} must have 1 to 63 printable characters`)
    return { key, value }
  })
  if (labels.length > maxLabels) throw invalid(`${labels.length} labels are more than ${maxLabels}`)
  const twice = labels.find(({ key }, index) => labels.findIndex((other) => other.key === key) < index)
  if (twice !== undefined) throw invalid(`${twice.key} is given twice`)
  return labels
}

function splitOnce(part: string): readonly [string, string?] {
  const at = part.indexOf('=')
  return at === -1 ? [part] : [part.slice(0, at).trim(), part.slice(at + 1).trim()]
}

const shown = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, 80)

function invalid(message: string): MurmurError {
  return new MurmurError('LABELS_INVALID', {
    message,
    next: 'write them as --labels region=eu,asn=3320',
    exit: 'usage',
  })
}
