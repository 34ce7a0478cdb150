import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import type { CidText, RunId, WorkerId } from '../protocol/ids.ts'
import type { Outcome } from './replay.ts'

export interface VerdictRecord extends Outcome {
  readonly run: RunId
  readonly epoch: number
  readonly round: number
  readonly worker: WorkerId
  readonly auditor: WorkerId
  readonly engineClass: string
  /** The manifest that holds the audited entry. */
  readonly manifest: CidText
}

const domain = new TextEncoder().encode('murmur/verdict/1\0')

/** A verdict as a signed dag-cbor block: anyone with the manifest, the program and the data can re-check it. */
export async function signVerdict(
  record: VerdictRecord,
  sign: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const body = dagCbor.encode({
    version: 1,
    ...record,
    run: CID.parse(record.run),
    manifest: CID.parse(record.manifest),
  })
  return dagCbor.encode({ body, signature: await sign(Buffer.concat([domain, body])) })
}
