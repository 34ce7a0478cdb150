import { contentId, digestOf } from '../protocol/content-id.ts'
import type { CidText, Hash } from '../protocol/ids.ts'
import { maxGossipBytes, maxRequestBytes } from '../protocol/limits.ts'
import type { Network } from '../protocol/ports.ts'
import { decode, encode, type GossipBody } from '../protocol/wire.ts'
import type { TrainingSession } from '../worker/engine/engine.ts'
import type { RoundOutputs } from '../worker/train-round.ts'

/** A session that takes only the first `steps` of a round's steps, and answers the others with the last loss it had. */
export function lazySession(session: TrainingSession, steps: number): TrainingSession {
  let taken = 0
  let last = { lossNats: 0, gradNorm: 0, tookMs: 0 }
  return {
    ...session,
    writeState: async (state) => {
      taken = 0
      await session.writeState(state)
    },
    step: async (batch, options) => {
      if (taken++ < steps) last = await session.step(batch, options)
      return last
    },
  }
}

/** The outputs of an honest round with somebody else's contribution in them, and a trace that names it. */
export function withContribution(outputs: RoundOutputs, contribution: Uint8Array): RoundOutputs {
  const leaf: Hash = `0x${Buffer.from(digestOf(contentId(contribution, 'raw'))).toString('hex')}`
  return { ...outputs, contribution, trace: outputs.trace.with(-2, leaf) }
}

/** A network on which this node's own gossip is replaced, whether published or repeated in a heartbeat. */
export function rewriting(network: Network, rewrite: (body: GossipBody) => GossipBody): Network {
  const rewritten = (data: Uint8Array): Uint8Array => {
    const message = decode('Gossip', data, maxGossipBytes)
    return encode('Gossip', { ...message, body: rewrite(message.body) })
  }
  return {
    ...network,
    publish: (topic, data) => network.publish(topic, rewritten(data)),
    request: async (peer, payload, signal) => {
      const { body } = decode('HeadRequest', payload, maxRequestBytes)
      if (body.kind !== 'heartbeat' || body.outstanding.length === 0)
        return await network.request(peer, payload, signal)
      const beat = encode('HeadRequest', { body: { ...body, outstanding: rewritten(body.outstanding) } })
      return await network.request(peer, beat, signal)
    },
  }
}

/** A network that serves every block of this node but those of `withheld`; those it lets the asker wait for. */
export function withholding(network: Network, withheld: ReadonlySet<CidText>): Network {
  return {
    ...network,
    serveBlocks: (source) =>
      network.serveBlocks({
        get: (cid, signal) => {
          if (!withheld.has(cid)) return source.get(cid, signal)
          return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
        },
      }),
  }
}

/** Tells when the head has taken note of this node's commit of a round: it has answered the heartbeat that repeats it. */
export function commitWatch(network: Network, onCommitted: (round: number) => void): Network {
  return {
    ...network,
    request: async (peer, payload, signal) => {
      const { body } = decode('HeadRequest', payload, maxRequestBytes)
      const answer = await network.request(peer, payload, signal)
      if (body.kind !== 'heartbeat' || body.outstanding.length === 0) return answer
      const own = decode('Gossip', body.outstanding, maxGossipBytes).body
      if (own.kind === 'commit') onCommitted(own.round)
      return answer
    },
  }
}
