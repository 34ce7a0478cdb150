import { averageCompressor, compressorOf } from '../../aggregation/compressor-of.ts'
import { fragmentOf } from '../../aggregation/fragments.ts'
import { checkedShare } from '../../aggregation/shared-average.ts'
import { contentId } from '../../protocol/content-id.ts'
import { cidText, type Hash, runId, workerId } from '../../protocol/ids.ts'
import { maxGossipBytes } from '../../protocol/limits.ts'
import type { AveragingSection } from '../../protocol/run-spec.ts'
import { encode, type GossipBody, type RoundManifest } from '../../protocol/wire.ts'
import { traceLength } from '../../verification/trace.ts'

/** Bytes of one contribution, at most. Of fragments that are averaged in turn the first is the largest. */
export const contributionBytes = (averaging: AveragingSection, parameterCount: number): number =>
  compressorOf(averaging).maxBytes(fragmentOf(0, averaging.fragments, parameterCount).length)

/** Bytes of a round's average, at most; null where workers fetch all contributions. */
export const averageBytes = ({ averageTopK, fragments }: AveragingSection, parameterCount: number) =>
  averageTopK === null
    ? null
    : averageCompressor(averageTopK).maxBytes(fragmentOf(0, fragments, parameterCount).length)

/** What a gossip message takes beside its data: author, sequence number, topic, signature (libp2p's StrictSign). */
const gossipFrameBytes = 256

/** Bytes of the messages of one round with `members` workers, frames included; all but the signature of the manifest. */
export interface RoundMessages {
  /** Of one worker: commit, reveal, state root. */
  readonly worker: number
  /** Of the head: round open, reveal open, manifest. */
  readonly head: number
}

/** Encodes one of each message, as large as it gets. */
export function roundMessages(members: number, segments: number): RoundMessages {
  const hash: Hash = `0x${'ff'.repeat(32)}`
  const cid = contentId(new Uint8Array(), 'dag-cbor')
  const run = runId(cid)
  const worker = workerId(`12D3KooW${'A'.repeat(44)}`)
  const trace = new Array<Hash>(traceLength(segments)).fill(hash)
  const round = 0xffff
  const each = <T>(value: T): T[] => new Array<T>(members).fill(value)
  const slots = each({ worker, steps: 0xffff })
  const numbers = { contribution: cid, contributionBytes: 2 ** 28, trace, tokens: 2 ** 28, lossNats: 1 }
  const manifest: RoundManifest = {
    ...{ run, term: 0xff, round, epoch: round, parent: cid, baseRoot: hash, stateRoot: hash, refused: [] },
    ...{ entries: each({ worker, ...numbers }), closesEpoch: true, checkpoint: cid, slots },
    average: null,
  }
  const signedManifest = encode('SignedManifest', {
    manifest: encode('RoundManifest', manifest),
    signer: worker,
    signature: new Uint8Array(64),
  })
  const size = (body: GossipBody): number => {
    const bytes = encode('Gossip', { run, term: 0xff, body }).length
    if (bytes <= maxGossipBytes) return bytes + gossipFrameBytes
    // A longer one goes by block, and gossip carries its name.
    return bytes + size({ kind: 'large', cid: cidText(cid), bytes })
  }
  return {
    worker:
      size({ kind: 'commit', round, hash }) +
      size({ kind: 'reveal', round, ...numbers, salt: hash }) +
      size({ kind: 'stateRoot', round, root: hash, checkpoint: cid }),
    head:
      size({ kind: 'roundOpen', round, stateRoot: hash, parent: cid, slots }) +
      size({ kind: 'revealOpen', round, commits: each({ worker, hash }) }) +
      size({ kind: 'manifest', signedManifest }),
  }
}

/** Bytes that one worker sends and receives. */
export interface Traffic {
  readonly upBytes: number
  readonly downBytes: number
}

/**
 * One worker's round with `members` in all. Contributions are gathered by all, so each is sent to the others and to the
 * head, and each worker receives all but its own. Where the head sends their average instead, each is sent to the head, and to
 * the others as often as they check an average on average. Gossip reaches every member once from its author: that others relay it too,
 * handshakes and heartbeats are left out (measured: 4 % of what a run sends, 8 % of what it receives).
 */
export function roundTraffic(
  members: number,
  contribution: number,
  average: number | null,
  messages: RoundMessages,
): Traffic {
  const others = members - 1
  const gathered = others * contribution * (average === null ? 1 : checkedShare(members))
  return {
    upBytes: contribution + gathered + members * messages.worker,
    downBytes: gathered + (average ?? 0) + others * messages.worker + messages.head,
  }
}

/**
 * Bytes that one of `members` moves, up and down together, when the fp32 gradients of `parameterCount` parameters are
 * averaged after each of `steps` steps by ring all-reduce: 2 (R − 1)/R · 4N each way (Patarasuk and Yuan, 2009).
 */
export function ringAllReduceBytes(members: number, parameterCount: number, steps: number): number {
  return members < 2 ? 0 : 2 * ((2 * (members - 1)) / members) * 4 * parameterCount * steps
}
