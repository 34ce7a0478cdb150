import { expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import { Auditor, type AuditorDependencies } from './auditor.ts'

const vocab = { A: 0, C: 1, G: 2, T: 3 }
const tokenizerOf = (changed: object) =>
  Buffer.from(
    JSON.stringify({
      ...{ model: { type: 'BPE', vocab, merges: [] }, added_tokens: [], normalizer: null },
      ...{ pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } },
      ...changed,
    }),
  )

/** An auditor of a run of tokens, whose model always says G; the prompts that it was given. */
function auditorOf(tokenizer: Uint8Array, heldOut: Uint8Array) {
  const blocks = new Map<string, Uint8Array>()
  const put = (bytes: Uint8Array): CidText => {
    const cid = contentId(bytes, 'raw')
    blocks.set(cid, bytes)
    return cid
  }
  const format = { kind: 'tokens', width: 2, vocabulary: 4, tokenizer: put(tokenizer) }
  const programs = { sampling: put(Buffer.from('sampling')) }
  const spec = { programs, model: { preset: 'onnx' }, train: { seed: 1 } }
  const data = { format, heldOut: [{ cid: put(heldOut), count: heldOut.length / 2 }] }
  const prompts: number[][] = []
  const session = {
    info: { task: 'language', inputs: { shape: [1, 4] }, logits: [4, 4] },
    logits: async (_: unknown, tokens: BigInt64Array) => {
      prompts.push([...tokens].map(Number))
      return Float32Array.from({ length: 16 }, (_, at) => (at % 4 === 2 ? 99 : 0))
    },
    close: async () => {},
  }
  const auditor = new Auditor({
    context: { spec, data, model: { task: 'language' } },
    engine: { loadSampling: async () => session },
    network: { self: 'head', connectedPeers: () => [] },
    blocks: { get: async (cid: string) => blocks.get(cid) },
  } as unknown as AuditorDependencies)
  return { auditor, prompts }
}

const theta = new Float32Array(1)
const tokens = (...ids: number[]) => new Uint8Array(Uint16Array.from(ids).buffer)

test.each<[string, object]>([
  ['has no token for', {}],
  ['makes nothing of', { normalizer: { type: 'Replace', pattern: { String: 'The ' }, content: '' } }],
  [
    'has tokens beyond the model for',
    { model: { type: 'BPE', vocab: { ...vocab, h: 7, e: 8, ' ': 9 }, merges: [] } },
  ],
])('where a tokenizer %s the usual prompt, what is held out is continued', async (_, changed) => {
  const { auditor, prompts } = auditorOf(tokenizerOf(changed), tokens(3, 1, 0))
  expect(await auditor.sample(theta)).toBe('G'.repeat(160))
  expect(prompts[0]).toEqual([3, 1, 0, 0])
})

test('there is no sample, and no failure, of a refused tokenizer or of tokens beyond the model', async () => {
  const pattern = { Regex: '(a+)+$' }
  const refused = tokenizerOf({ decoder: { type: 'Replace', pattern, content: '' } })
  expect(await auditorOf(refused, tokens(1)).auditor.sample(theta)).toBeNull()
  expect(await auditorOf(tokenizerOf({}), tokens(1, 7)).auditor.sample(theta)).toBeNull()
})
