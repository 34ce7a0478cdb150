import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseLabels } from './labels.ts'

const key = fc.stringMatching(/^[a-z0-9][a-z0-9./-]{0,20}$/)
const value = fc
  .stringMatching(/^[A-Za-z0-9äß€ _=-]{1,20}$/)
  .filter((text) => text.trim() === text && text !== '')

test('what is written is read', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.record({ key, value }), {
        selector: (label) => label.key,
        minLength: 1,
        maxLength: 16,
      }),
      (labels) => {
        expect(parseLabels(labels.map((label) => `${label.key}=${label.value}`).join(', '))).toEqual(labels)
      },
    ),
  )
})

test.each([
  '',
  'region',
  'region=',
  '=eu',
  'Region=eu',
  '__proto__=x',
  `${'k'.repeat(64)}=v`,
  `k=${'v'.repeat(64)}`,
  'k=\u001b[2J',
  'k=\u202egnp.exe',
  'k=a\u2028b',
  'a=1,a=2',
  Array.from({ length: 17 }, (_, index) => `k${index}=v`).join(','),
])('what placement could not use, or a terminal would obey, is refused: %j', (text) => {
  expect(() => parseLabels(text)).toThrow(expect.objectContaining({ code: 'LABELS_INVALID', exit: 'usage' }))
})
