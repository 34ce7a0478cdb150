import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { maxRequestBytes } from '../../protocol/limits.ts'
import { decode, encode, type HeadRequest, type NodeOffer } from '../../protocol/wire.ts'
import { describeHost } from './describe-host.ts'
import { listGpus } from './gpus.ts'
import { createOffer } from './offer.ts'
import { trainingOn } from './training-device.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'murmur-host-'))
})
afterAll(() => rm(root, { recursive: true }))

const missing = () => Promise.reject(new Error('ENOENT'))

async function files(name: string, contents: Readonly<Record<string, string>>): Promise<string> {
  const folder = path.join(root, name)
  for (const [file, text] of Object.entries(contents)) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true })
    await writeFile(path.join(folder, file), text)
  }
  return folder
}

test('cards by nvidia-smi, with their memory', async () => {
  const nvidiaSmi = async () => 'NVIDIA H100 80GB HBM3, 81559\nNVIDIA GB10, [N/A]\n'
  expect(await listGpus({ root: '/nowhere', nvidiaSmi })).toEqual([
    { kind: 'cuda', name: 'NVIDIA H100 80GB HBM3', memoryBytes: 81_559 * 2 ** 20, tokensPerSecond: 0 },
    { kind: 'cuda', name: 'NVIDIA GB10', memoryBytes: 0, tokensPerSecond: 0 },
  ])
})

test('without it by the drivers’ own files; a server’s screen is no card to compute on', async () => {
  const host = await files('drivers', {
    'proc/driver/nvidia/gpus/0000:01:00.0/information':
      'Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 42\n',
    'sys/class/drm/card0/device/vendor': '0x10de\n',
    'sys/class/drm/card1/device/vendor': '0x1002\n',
    'sys/class/drm/card1/device/device': '0x744c\n',
    'sys/class/drm/card1/device/mem_info_vram_total': '25753026560\n',
    'sys/class/drm/card1-DP-1/status': 'connected\n',
    'sys/class/drm/card2/device/vendor': '0x1a03\n',
  })
  expect(await listGpus({ root: host, nvidiaSmi: missing })).toEqual([
    { kind: 'cuda', name: 'NVIDIA GeForce RTX 4090', memoryBytes: 0, tokensPerSecond: 0 },
    { kind: 'webgpu', name: 'AMD 0x744c', memoryBytes: 25_753_026_560, tokensPerSecond: 0 },
  ])
})

test('what is described fits into a join, whatever the host calls its cards', async () => {
  const nvidiaSmi = async () => `${'x'.repeat(500)}\u001b[2J\u202e, 1\n`.repeat(40)
  const labels = Array.from({ length: 16 }, (_, index) => ({ key: `k${index}`, value: 'v'.repeat(63) }))
  const node = await describeHost({ folder: root, labels, tokensPerSecond: 7_000, gpus: { root, nvidiaSmi } })
  expect(node.devices).toHaveLength(16)
  expect(node.devices[0]).toMatchObject({ kind: 'cpu', tokensPerSecond: 7_000 })
  expect(node.memoryBytes).toBeLessThanOrEqual(totalmem())
  expect(node.cores).toBeGreaterThan(0)
  expect(node.diskBytes).toBeGreaterThan(0)
  expect(asJoined(node)).toEqual(node)
})

test('an offer is another object whenever something is known better', () => {
  const device = { name: 'x', memoryBytes: 1, tokensPerSecond: 0 }
  const first: NodeOffer = {
    devices: [
      { kind: 'cpu', ...device },
      { kind: 'cuda', ...device },
    ],
    ...{ cores: 1, memoryBytes: 1, diskBytes: 1, upBytesPerSecond: 0, downBytesPerSecond: 0, roundTripMs: 0 },
    labels: [],
  }
  const offer = createOffer(first)
  expect(offer.current()).toBe(first)
  offer.improve({ tokensPerSecond: 5 })
  offer.improve({ upBytesPerSecond: 1, downBytesPerSecond: 2, roundTripMs: 3 })
  expect(offer.current()).not.toBe(first)
  expect(offer.current()).toMatchObject({ upBytesPerSecond: 1, downBytesPerSecond: 2, roundTripMs: 3 })
  expect(offer.current().devices.map(({ tokensPerSecond }) => tokensPerSecond)).toEqual([5, 0])
  offer.improve({ gpus: [{ kind: 'cuda', ...device, name: 'asked' }] })
  expect(offer.current().devices.map(({ name }) => name)).toEqual(['x', 'asked'])
})

test('the device that trains has the speed: the engine’s kind, the card that it drives, or one that nobody told of', () => {
  const named = (kind: 'cpu' | 'cuda' | 'webgpu') => ({
    kind,
    name: kind,
    memoryBytes: 1,
    tokensPerSecond: 3,
  })
  const [cpu, card] = [named('cpu'), named('cuda')]
  const told = (devices: readonly ReturnType<typeof named>[], kind: 'cpu' | 'webgpu') =>
    trainingOn(devices, kind, 9).map((device) => `${device.kind} ${device.name} ${device.tokensPerSecond}`)
  expect(told([cpu, card], 'cpu')).toEqual(['cpu cpu 9', 'cuda cuda 0'])
  expect(told([cpu, card], 'webgpu')).toEqual(['cpu cpu 0', 'webgpu cuda 9'])
  expect(told([cpu], 'webgpu')).toEqual(['cpu cpu 0', 'webgpu software adapter 9'])
})

function asJoined(node: NodeOffer): NodeOffer | null {
  const join: HeadRequest = {
    body: {
      kind: 'join',
      agent: 'murmur/test',
      engineClass: 'x',
      addresses: [],
      payout: '',
      payoutBinding: new Uint8Array(),
      token: '',
      incarnation: new Uint8Array(16),
      protocolMin: 1,
      protocolMax: 1,
      node,
    },
  }
  const { body } = decode('HeadRequest', encode('HeadRequest', join), maxRequestBytes)
  return body.kind === 'join' ? body.node : null
}
