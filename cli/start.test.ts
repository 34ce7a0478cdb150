import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { signPayoutBinding } from '../chain/payout-binding.ts'
import { workerId } from '../protocol/ids.ts'
import { signedPayout } from './payout.ts'
import { addStart } from './start.ts'
import { workerBindCommand } from './worker-bind.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-start-'))
})
afterAll(() => rm(home, { recursive: true }))

const head = '/ip4/127.0.0.1/tcp/1'
const peer = workerId('12D3KooWAKeK6ZdP5TUJKd6qamUKVuNwyjcx95nrQbiWxUZnNEPk')

/** What `murmur start` says to its options; nothing is started by those that are refused. */
async function refusal(...args: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride().configureOutput({ outputError: () => {} })
  addStart(program)
  return await program.parseAsync(['start', '--home', home, ...args], { from: 'user' }).then(
    () => 'started',
    (error: unknown) => error,
  )
}

test.each([
  [['--head', '--standby'], 'START_UNCLEAR'],
  [['--standby', '--address', head], 'START_UNCLEAR'],
  [['--head', '--standby', '--address', head, '--devnet'], 'START_UNCLEAR'],
  [['--head', '--standby', '--address', 'somewhere'], 'ADDRESS_INVALID'],
  [['--head', '--listen', `${head},somewhere`], 'ADDRESS_INVALID'],
  [['--head', '--listen', head, '--listen', 'somewhere'], 'ADDRESS_INVALID'],
  [['--head', '--min-stake', '10'], 'START_UNCLEAR'],
  [['--head', '--devnet', '--min-stake', 'much'], 'STAKE_INVALID'],
  [['--head', '--log-format', 'xml'], 'START_UNCLEAR'],
  [['--address', `${head},somewhere`], 'ADDRESS_INVALID'],
  [['--address', head, '--name', 'head'], 'START_UNCLEAR'],
  [['--address', head, '--gpus', 'all'], 'START_UNCLEAR'],
  [['--address', head, '--gpus', 'none', '--engine', 'ort-webgpu'], 'START_UNCLEAR'],
  [['--address', head, '--max-upload', 'fast'], 'RATE_INVALID'],
  [['--address', head, '--max-upload', '1kbps'], 'RATE_INVALID'],
  [['--address', head, '--schedule', 'nights'], 'SCHEDULE_INVALID'],
  [['--address', head, '--labels', 'eu'], 'LABELS_INVALID'],
  [['--address', head, '--no-pay', '--dev-account', '1'], 'START_UNCLEAR'],
  [['--address', head, '--payout', '0x12'], 'PAYOUT_INVALID'],
])('%j', async (args, code) => {
  expect(await refusal(...args)).toMatchObject({ code, exit: 'usage', next: expect.stringMatching(/./) })
})

test('pay to an address whose key is elsewhere: told how its consent is made, and taken with it', async () => {
  const refused = await refusal('--address', head, '--payout', '0x71bE63f3384f5fb98995898A86B02Fb2426c5788')
  expect(refused).toMatchObject({
    code: 'PAYOUT_UNSIGNED',
    next: expect.stringContaining('murmur worker bind 12D3'),
  })

  const key = generatePrivateKey()
  const { address } = privateKeyToAccount(key)
  const file = path.join(home, 'wallet.key')
  await writeFile(file, key)
  let printed = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  await workerBindCommand(peer, { accountKey: file, json: true })
  stdout.mockRestore()
  const bound = JSON.parse(printed) as { payout: string; signature: `0x${string}` }
  expect(await signedPayout(bound.payout, bound.signature, peer)).toEqual({
    address,
    signature: bound.signature,
  })
})

test('consent of another key, or for another worker, is none', async () => {
  const [one, other] = [generatePrivateKey(), generatePrivateKey()].map((key) => privateKeyToAccount(key))
  const signature = await signPayoutBinding(one!, { peerId: peer })
  await expect(signedPayout(other!.address, signature, peer)).rejects.toMatchObject({
    code: 'PAYOUT_BINDING_INVALID',
  })
  await expect(signedPayout(one!.address, signature, workerId('12D3KooWother'))).rejects.toMatchObject({
    code: 'PAYOUT_BINDING_INVALID',
  })
  await expect(workerBindCommand('me', { accountKey: 'none' })).rejects.toMatchObject({
    code: 'PEER_INVALID',
  })
})
