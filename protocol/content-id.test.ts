import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cidFromDigest, codecOf, contentId, digestOf, matchesCid, parseCid, sha256 } from './content-id.ts'

test('the CIDs that others compute for the same bytes', () => {
  // `ipfs add --cid-version 1 --raw-leaves` and `ipfs dag put` of the same.
  expect(contentId(new TextEncoder().encode('hello'), 'raw')).toBe(
    'bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq',
  )
  expect(contentId(Uint8Array.of(0xa0), 'dag-cbor')).toBe(
    'bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua',
  )
})

test('bytes → CID → digest and codec → the same CID; other bytes do not match', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom('raw', 'dag-cbor', 'dag-pb'), (bytes, codec) => {
      const cid = contentId(bytes, codec)
      expect(parseCid(cid)).toBe(cid)
      expect(codecOf(cid)).toBe(codec)
      expect(cidFromDigest(digestOf(cid), codec)).toBe(cid)
      expect(digestOf(cid)).toEqual(sha256(bytes))
      expect(matchesCid(cid, bytes)).toBe(true)
      expect(matchesCid(cid, Uint8Array.of(...bytes, 0))).toBe(false)
    }),
  )
})

test('text that is not one of our CIDs is refused, in every other spelling too', () => {
  const good = contentId(new Uint8Array(), 'raw')
  const spareBits = `${good.slice(0, -1)}${String.fromCharCode(good.charCodeAt(58) + 1)}`
  const others = [
    '',
    'x',
    good.toUpperCase(),
    `${good}a`,
    good.slice(0, -1),
    spareBits,
    `z${good.slice(1)}`,
    'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn',
    'a'.repeat(1_000_000),
  ]
  for (const text of others)
    expect(() => parseCid(text)).toThrow(expect.objectContaining({ code: 'CID_INVALID' }))
  expect(() => cidFromDigest(new Uint8Array(31), 'raw')).toThrow(
    expect.objectContaining({ code: 'DIGEST_LENGTH_INVALID' }),
  )
})
