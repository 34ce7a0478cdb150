import { sign as ed25519Sign, verify as ed25519Verify, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { aRun, cidOf, hashOf, peer } from './fixtures/names.ts'
import type { WorkerId } from './ids.ts'
import { manifestBytes, maxGossipBytes, maxManifestBytes, maxMembers, maxTokensPerRound } from './limits.ts'
import { openManifest, readManifest, signManifest } from './manifest.ts'
import { decode, encode, type RoundManifest } from './wire.ts'

const keys = new Map([peer(0), peer(1)].map((id) => [id, generateKeyPairSync('ed25519')]))
const signAs = (id: WorkerId) => async (bytes: Uint8Array) =>
  new Uint8Array(ed25519Sign(null, bytes, keys.get(id)!.privateKey))
const verify = async (signer: WorkerId, bytes: Uint8Array, signature: Uint8Array) =>
  ed25519Verify(null, bytes, keys.get(signer)!.publicKey, signature)

const [head, other] = [peer(0), peer(1)]

/** The largest manifest of a round: every member admitted, every number as long as it can be. */
function largest(members: number, segments: number): RoundManifest {
  const names = Array.from({ length: members }, (_, index) => peer(index))
  return {
    run: aRun,
    ...{ term: 0xffffffff, round: 0xffffffff, epoch: 0xffffffff },
    parent: cidOf('parent'),
    baseRoot: hashOf('base'),
    stateRoot: hashOf('state'),
    entries: names.map((worker) => ({
      worker,
      contribution: cidOf(worker),
      contributionBytes: 0xffffffff,
      tokens: maxTokensPerRound,
      trace: Array.from({ length: segments + 3 }, (_, leaf) => hashOf(`${worker}${leaf}`)),
      lossNats: 1.5,
    })),
    refused: [],
    closesEpoch: true,
    checkpoint: cidOf('checkpoint'),
    members: names,
  }
}

test('a signed manifest opens with its head’s key alone', async () => {
  const manifest = largest(2, 4)
  const block = await signManifest(manifest, head, signAs(head))
  expect(await openManifest(block, head, verify)).toEqual(manifest)
  expect(readManifest(block)).toEqual({ manifest, signer: head })
})

const forged = expect.objectContaining({ code: 'MANIFEST_FORGED', exit: 'verification' })

test('another signer, a signature of another key, and a changed byte are refused', async () => {
  const manifest = largest(2, 4)
  await expect(
    openManifest(await signManifest(manifest, other, signAs(other)), head, verify),
  ).rejects.toThrow(forged)
  await expect(openManifest(await signManifest(manifest, head, signAs(other)), head, verify)).rejects.toThrow(
    forged,
  )
  const signed = decode('SignedManifest', await signManifest(manifest, head, signAs(head)), maxGossipBytes)
  const changed = encode('RoundManifest', { ...manifest, stateRoot: hashOf('better') })
  const block = encode('SignedManifest', { ...signed, manifest: changed })
  await expect(openManifest(block, head, verify)).rejects.toThrow(forged)
})

test('a signature over the bare manifest, without its domain, is refused', async () => {
  const manifest = encode('RoundManifest', largest(1, 1))
  const block = encode('SignedManifest', { manifest, signer: head, signature: await signAs(head)(manifest) })
  await expect(openManifest(block, head, verify)).rejects.toThrow(forged)
})

test('a signed block that holds no manifest is malformed', async () => {
  const manifest = new TextEncoder().encode('not a manifest')
  const signature = await signAs(head)(
    Buffer.concat([new TextEncoder().encode('murmur/manifest/1\0'), manifest]),
  )
  const block = encode('SignedManifest', { manifest, signer: head, signature })
  const malformed = expect.objectContaining({ code: 'MESSAGE_MALFORMED' })
  await expect(openManifest(block, head, verify)).rejects.toThrow(malformed)
  expect(() => readManifest(block)).toThrow(malformed)
})

test('manifestBytes bounds the largest manifest of every size, closely', async () => {
  for (const members of [1, 8, maxMembers]) {
    for (const segments of [1, 4, 16]) {
      const { length } = await signManifest(largest(members, segments), head, signAs(head))
      expect(length).toBeLessThanOrEqual(manifestBytes(members, segments))
      expect(manifestBytes(members, segments)).toBeLessThan(1.2 * length + 512)
    }
  }
})

test('what fits maxManifestBytes is carried by gossip', async () => {
  expect(manifestBytes(maxMembers, 4)).toBeLessThanOrEqual(maxManifestBytes)
  const signedManifest = new Uint8Array(maxManifestBytes)
  const message = encode('Gossip', {
    run: aRun,
    term: 0xffffffff,
    body: { kind: 'manifest', signedManifest },
  })
  expect(message.length).toBeLessThanOrEqual(maxGossipBytes)
})
