import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { codecOf, parseCid } from '../../protocol/content-id.ts'
import { type CidText, cidText, type RunId } from '../../protocol/ids.ts'
import {
  maxAnnouncementBytes,
  maxMetadataBlockBytes,
  maxProgramBytes,
  maxShardBytes,
} from '../../protocol/limits.ts'
import { decodeRunSpec } from '../../protocol/run-spec.ts'
import type { HeadRecord } from './record.ts'

/** A block that a head must have to lead a run, or a file with all of its blocks. */
export type BlockNeed =
  | { readonly kind: 'block'; readonly cid: CidText; readonly maxBytes: number }
  /** Its programs and its data are needed too. */
  | { readonly kind: 'spec'; readonly cid: CidText; readonly maxBytes: number }
  /** Its shards are needed too. */
  | { readonly kind: 'data'; readonly cid: CidText; readonly maxBytes: number }
  /** All blocks of the file that a run starts from. */
  | { readonly kind: 'weights'; readonly cid: CidText }
  /** What a run that is over came to. */
  | { readonly kind: 'report'; readonly run: RunId; readonly cid: CidText; readonly maxBytes: number }
  /** A newer one of the same run takes its place. */
  | { readonly kind: 'checkpoint'; readonly run: RunId; readonly cid: CidText }

const block = (cid: CidText, maxBytes: number): BlockNeed => ({ kind: 'block', cid, maxBytes })

/** The blocks that a journal record speaks of, and that whoever leads from it needs. */
export function needsOf(record: HeadRecord): readonly BlockNeed[] {
  switch (record.kind) {
    case 'submitted':
      return [{ kind: 'spec', cid: cidText(record.run), maxBytes: maxMetadataBlockBytes }]
    case 'round': {
      const { event, run } = record
      if (event.kind === 'published') return [block(event.cid, maxAnnouncementBytes)]
      if (event.kind === 'adopt') return event.manifests.map((cid) => block(cid, maxAnnouncementBytes))
      if (event.kind !== 'aggregated') return []
      const { average, checkpoint } = event
      return [
        ...(average === null ? [] : [block(average.cid, average.bytes)]),
        ...(checkpoint === null ? [] : [{ kind: 'checkpoint', run, cid: checkpoint } as const]),
      ]
    }
    case 'audited':
      return [block(record.audit.verdict, maxMetadataBlockBytes)]
    case 'settling':
      return [block(record.payoutTree, maxMetadataBlockBytes)]
    case 'settled': {
      const { payoutTree } = record.report
      return payoutTree === null ? [] : [block(payoutTree, maxMetadataBlockBytes)]
    }
    case 'heads':
    case 'term':
    case 'member':
    case 'measured':
      return []
    case 'archived': {
      const { run, report } = record
      return report === null ? [] : [{ kind: 'report', run, cid: report, maxBytes: maxMetadataBlockBytes }]
    }
    default:
      return record satisfies never
  }
}

/**
 * What else is needed, now that the block is here.
 * @throws MurmurError RUN_SPEC_INVALID
 */
export function needsWithin(need: BlockNeed, bytes: Uint8Array): readonly BlockNeed[] {
  if (need.kind === 'spec') {
    const { programs, data, init } = decodeRunSpec(bytes)
    const weights: BlockNeed[] = init === null ? [] : [{ kind: 'weights', cid: init.weights }]
    return [
      ...Object.values(programs).map((cid) => block(cid, maxProgramBytes)),
      ...weights,
      { kind: 'data', cid: data, maxBytes: maxMetadataBlockBytes },
    ]
  }
  if (need.kind === 'data') return linksIn(dagCbor.decode(bytes)).map((cid) => block(cid, maxShardBytes))
  return []
}

/** The raw blocks that a dag-cbor value links to. */
function linksIn(value: unknown): readonly CidText[] {
  const cid = CID.asCID(value)
  if (cid !== null) {
    const text = parseCid(cid.toString())
    return codecOf(text) === 'raw' ? [text] : []
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return []
  return Object.values(value).flatMap(linksIn)
}
