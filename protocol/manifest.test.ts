import { sign as ed25519Sign, verify as ed25519Verify, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import type { WorkerId } from './ids.ts'
import {
  maxAnnouncementBytes,
  maxGossipBytes,
  maxMembers,
  maxStepsPerRound,
  maxTokensPerRound,
  maxTraceLeaves,
} from './limits.ts'
import { openManifest, readManifest, signManifest } from './manifest.ts'
import { decode, encode, type RoundManifest } from './wire.ts'

const keys = new Map([peer(0), peer(1)].map((id) => [id, generateKeyPairSync('ed25519')]))
const signAs = (id: WorkerId) => async (bytes: Uint8Array) =>
  new Uint8Array(ed25519Sign(null, bytes, keys.get(id)!.privateKey))
const verify = async (signer: WorkerId, bytes: Uint8Array, signature: Uint8Array) =>
  ed25519Verify(null, bytes, keys.get(signer)!.publicKey, signature)

const [head, other] = [peer(0), peer(1)]
const heads = [head, other]

/** The largest manifest of a round: every member admitted, every number as long as it can be. */
function largest(members: number, leaves: number, term = 8): RoundManifest {
  const names = Array.from({ length: members }, (_, index) => peer(index))
  return {
    run: aRun,
    ...{ term, round: 0xffffffff, epoch: 0xffffffff },
    parent: cidOf('parent'),
    baseRoot: hashOf('base'),
    stateRoot: hashOf('state'),
    entries: names.map((worker) => ({
      worker,
      contribution: cidOf(worker),
      contributionBytes: 0xffffffff,
      tokens: maxTokensPerRound,
      trace: Array.from({ length: leaves }, (_, leaf) => hashOf(`${worker}${leaf}`)),
      lossNats: 1.5,
    })),
    refused: [],
    closesEpoch: true,
    checkpoint: cidOf('checkpoint'),
    slots: names.map((worker) => ({ worker, steps: maxStepsPerRound })),
    average: { cid: cidOf('average'), bytes: 0xffffffff },
  }
}

test('a signed manifest opens with its head’s key alone', async () => {
  const manifest = largest(2, 4)
  const block = await signManifest(manifest, head, signAs(head))
  expect(await openManifest(block, heads, verify)).toEqual(manifest)
  expect(readManifest(block)).toEqual({ manifest, signer: head })
})

const forged = expect.objectContaining({ code: 'MANIFEST_FORGED', exit: 'verification' })

test('another signer, a signature of another key, and a changed byte are refused', async () => {
  const manifest = largest(2, 4)
  await expect(
    openManifest(await signManifest(manifest, other, signAs(other)), heads, verify),
  ).rejects.toThrow(forged)
  await expect(
    openManifest(await signManifest(manifest, head, signAs(other)), heads, verify),
  ).rejects.toThrow(forged)
  const signed = decode('SignedManifest', await signManifest(manifest, head, signAs(head)), maxGossipBytes)
  const changed = encode('RoundManifest', { ...manifest, stateRoot: hashOf('better') })
  const block = encode('SignedManifest', { ...signed, manifest: changed })
  await expect(openManifest(block, heads, verify)).rejects.toThrow(forged)
})

test('a signature over the bare manifest, without its domain, is refused', async () => {
  const manifest = encode('RoundManifest', largest(1, 1))
  const block = encode('SignedManifest', { manifest, signer: head, signature: await signAs(head)(manifest) })
  await expect(openManifest(block, heads, verify)).rejects.toThrow(forged)
})

test('a signed block that holds no manifest is malformed', async () => {
  const manifest = new TextEncoder().encode('not a manifest')
  const signature = await signAs(head)(
    Buffer.concat([new TextEncoder().encode('murmur/manifest/1\0'), manifest]),
  )
  const block = encode('SignedManifest', { manifest, signer: head, signature })
  const malformed = expect.objectContaining({ code: 'MESSAGE_MALFORMED' })
  await expect(openManifest(block, heads, verify)).rejects.toThrow(malformed)
  expect(() => readManifest(block)).toThrow(malformed)
})

test('a manifest is signed by the head of its term, whichever leads now', async () => {
  const signed = (term: number, signer: WorkerId) =>
    signManifest(largest(1, 4, term), signer, signAs(signer)).then((block) =>
      openManifest(block, heads, verify),
    )
  expect((await signed(9, other)).term).toBe(9)
  expect((await signed(16, head)).term).toBe(16)
  await expect(signed(9, head)).rejects.toThrow(forged)
  await expect(signed(8, other)).rejects.toThrow(forged)
  // A term of a head that nobody here knows.
  await expect(signed(10, other)).rejects.toThrow(forged)
})

test('the largest manifest of the largest round fits an announcement', async () => {
  const signedManifest = await signManifest(
    largest(maxMembers, maxTraceLeaves, 0xfffffff8),
    head,
    signAs(head),
  )
  const body = { kind: 'manifest', signedManifest } as const
  const message = encode('Gossip', { run: aRun, term: 0xfffffff8, body })
  expect(message.length).toBeLessThanOrEqual(maxAnnouncementBytes)
  expect(readManifest(signedManifest).manifest.entries).toHaveLength(maxMembers)
})

test('the opening and the commits of the largest round fit an announcement', () => {
  const names = Array.from({ length: maxMembers }, (_, index) => peer(index))
  const slots = names.map((worker) => ({ worker, steps: maxStepsPerRound }))
  const open = {
    kind: 'roundOpen',
    round: 0xffffffff,
    stateRoot: hashOf('s'),
    parent: cidOf('p'),
    slots,
  } as const
  const commits = names.map((worker) => ({ worker, hash: hashOf(worker) }))
  for (const body of [open, { kind: 'revealOpen', round: 0xffffffff, commits } as const]) {
    const message = encode('Gossip', { run: aRun, term: 0xfffffff8, body })
    expect(message.length).toBeLessThanOrEqual(maxAnnouncementBytes)
    expect(decode('Gossip', message, maxAnnouncementBytes).body).toEqual(body)
  }
})
