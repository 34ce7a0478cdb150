import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createKey } from '../network/identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import { ortCpuClass } from '../worker/engine/engine-class.ts'
import { describeHost } from '../worker/host/describe-host.ts'
import { knownSpeed } from '../worker/host/reference-speed.ts'
import { diskNeeds } from './disk-needs.ts'
import { type Check, checkDisk, checkMemory } from './host-checks.ts'
import { runNeeds } from './run-needs.ts'
import { type WorkerCheckOptions, workerCheckCommand } from './worker-check.ts'

let home: string
let head: Libp2pNetwork
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-check-'))
  head = await createNetwork(
    { privateKey: await createKey(), listen: ['/ip4/127.0.0.1/tcp/0'] },
    { clock: { now: () => Date.now() }, onFault: () => {} },
  )
})
afterAll(async () => {
  await head.stop()
  await rm(home, { recursive: true })
})

async function checked(options: Partial<WorkerCheckOptions>) {
  let stdout = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    await workerCheckCommand({ home, name: 'worker', ...options })
    return { stdout, exit: process.exitCode }
  } finally {
    process.exitCode = undefined
    vi.restoreAllMocks()
  }
}

test('a host that can work: every check is made for real, and the measured speed is kept for the node', async () => {
  const { stdout, exit } = await checked({ json: true, address: head.addresses()[0] })
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] }
  expect([ok, exit], stdout).toEqual([true, undefined])
  const names = checks.filter(({ status }) => status === 'pass').map(({ name }) => name)
  expect(names).toEqual(['engine', 'memory', 'disk', 'identity', 'payout', 'head', 'line', 'nat'])
  expect(checks.find(({ name }) => name === 'head')!.found).toContain(head.self)
  expect(checks.find(({ name }) => name === 'line')!.found).toMatch(/ ms, up .* Mbit\/s, down .* Mbit\/s/)
  expect(await knownSpeed(path.join(home, 'worker'), ortCpuClass(1))).toBeGreaterThan(0)
})

test('what fails is said with its fix, the rest is checked nevertheless, and the exit code is 1', async () => {
  const key = path.join(home, 'bad.key')
  await writeFile(key, 'secret')
  const { stdout, exit } = await checked({ address: '/ip4/127.0.0.1/tcp/1', accountKey: key })
  expect(exit).toBe(1)
  expect(stdout).toMatch(/^FAIL {2}payout +ACCOUNT_KEY_INVALID.*\n +fix: .+/m)
  expect(stdout).toMatch(/^FAIL {2}head +BOOTSTRAP_UNREACHABLE.*\n +fix: .+/m)
  expect(stdout).toMatch(/^pass {2}engine/)
  expect(stdout).not.toContain('secret')
})

test('a model and a disk that are too much for this host', async () => {
  const file = (width: number) =>
    parseRunFile({ name: 'x', data: { builtin: 'moby-dick' }, model: { width, layers: 48 } }, 'the test')
  const [small, large] = [await runNeeds(file(128)), await runNeeds(file(4_096))]
  expect(checkMemory(file(128), small).status).toBe('pass')
  expect(checkMemory(file(4_096), large)).toMatchObject({ status: 'fail', fix: expect.stringMatching(/./) })
  const host = await describeHost({ folder: home, labels: [], tokensPerSecond: 0 })
  expect(checkDisk(host, file(128), small).status).toBe('pass')
  const { totalBytes } = diskNeeds(file(128), small)
  expect(checkDisk({ ...host, diskBytes: totalBytes }, file(128), small).status).toBe('pass')
  expect(checkDisk({ ...host, diskBytes: totalBytes - 1 }, file(128), small)).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/ GB for x with 1 worker \(.* GB for each one more\), /),
    fix: expect.stringContaining('--home'),
  })
})
