import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { aRun, cidOf, peer } from '../protocol/fixtures/names.ts'
import { signVerdict, type VerdictRecord } from './verdict-record.ts'

const record: VerdictRecord = {
  ...{ outcome: 'refuted', code: 'OUT_OF_TOLERANCE', segment: null, distance: 0.25 },
  ...{ run: aRun, epoch: 1, round: 5, worker: peer(1), auditor: peer(0), engineClass: 'fake' },
  manifest: cidOf('manifest'),
}

test('a verdict carries all that is needed to re-check it, under a signature of its own domain', async () => {
  const signed: Uint8Array[] = []
  const block = await signVerdict(record, async (bytes) => {
    signed.push(bytes)
    return new Uint8Array(64).fill(7)
  })
  const { body, signature } = dagCbor.decode<{ body: Uint8Array; signature: Uint8Array }>(block)
  expect(signature).toEqual(new Uint8Array(64).fill(7))
  expect(Buffer.compare(signed[0]!, Buffer.concat([Buffer.from('murmur/verdict/1\0'), body]))).toBe(0)
  const links = { run: CID.parse(aRun), manifest: CID.parse(cidOf('manifest')) }
  expect(dagCbor.decode(body)).toEqual({ version: 1, ...record, ...links })
})
