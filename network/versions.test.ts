import { expect, test } from 'vitest'
import { type Comparison, compareVersions, mismatchError, protocolIds, versionsIn } from './versions.ts'

const ours = { oldest: 2, newest: 4 }

test('a range is offered newest first, and versions are read from among other protocols', () => {
  expect(protocolIds('requests', ours)).toEqual(['/murmur/head/4', '/murmur/head/3', '/murmur/head/2'])
  const protocols = [
    '/murmur/head/10',
    '/murmur/head/9',
    '/murmur/head/x',
    '/murmur/head/-1',
    '/murmur/blocks/1',
  ]
  expect(versionsIn([...protocols, '/murmur/head/', '/murmur/head/1e9', '__proto__'], 'requests')).toEqual([
    9, 10,
  ])
})

test.each<[readonly number[], Comparison]>([
  [[], { kind: 'foreign' }],
  [[1, 2, 3], { kind: 'common', version: 3 }],
  [[4, 5, 6], { kind: 'common', version: 4 }],
  [[0, 1], { kind: 'upgrade-other-side' }],
  [[5], { kind: 'upgrade-this-side' }],
  // They dropped what we speak and kept older things: they are still the newer software.
  [[1, 5], { kind: 'upgrade-this-side' }],
])('2 to 4 with %j', (theirs, expected) => {
  expect(compareVersions(ours, theirs)).toEqual(expected)
})

test('what a peer calls itself is shown, without what would move the cursor', () => {
  const software = { protocols: ['/murmur/head/9'], agent: `murmur/9.0\u001b[2J\u202e${'x'.repeat(500)}` }
  const error = mismatchError('12D3peer', 'requests', software, ours)
  expect(error).toMatchObject({ code: 'PROTOCOL_MISMATCH', exit: 'version' })
  expect(error.message).toMatch(
    /^this node speaks version 2 to 4 of .murmur.head, 12D3peer \(murmur.9\.0 \[2J x+\) speaks version 9$/,
  )
  expect(error.message.length).toBeLessThan(200)
  expect(error.next).toBe('upgrade murmur on this node')
})
