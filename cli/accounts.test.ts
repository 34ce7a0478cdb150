import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accountFromFile, chosenAccount, chosenDevAccount, ownAccount } from './accounts.ts'
import { readChainFile } from './chain-file.ts'
import type { HeadReady } from './home.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'murmur-accounts-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(text: string): Promise<string> {
  const file = path.join(folder, 'file')
  await writeFile(file, text)
  return file
}

test.each(['', 'secret', `0x${'0'.repeat(64)}`, `0x${'f'.repeat(64)}`, `0x${'1'.repeat(63)}`])(
  'a file without a private key is refused, and what is in it is not repeated: %s',
  async (text) => {
    const refused = await accountFromFile(await fileOf(text)).catch((error) => error)
    expect(refused).toMatchObject({ code: 'ACCOUNT_KEY_INVALID', exit: 'usage' })
    if (text !== '') expect(`${refused.message}${refused.next}${refused.cause}`).not.toContain(text)
  },
)

test('a key file that is not there', async () => {
  await expect(accountFromFile(path.join(folder, 'none'))).rejects.toMatchObject({
    code: 'ACCOUNT_KEY_UNREADABLE',
    exit: 'usage',
  })
})

test('a node makes its key once', async () => {
  const { address } = await ownAccount(folder)
  expect((await ownAccount(folder)).address).toBe(address)
  expect(await readFile(path.join(folder, 'account.key'), 'utf8')).toMatch(/^0x[0-9a-f]{64}\n$/)
})

test.each(['x', '-1', '', '1.5', '1e3', '10000', '99999999999'])(
  'not a devnet account: %s',
  async (index) => {
    expect(() => chosenDevAccount(index, '--account')).toThrow(
      expect.objectContaining({ code: 'COUNT_INVALID' }),
    )
    const ready = { devnet: true } as HeadReady
    await expect(chosenAccount({ account: index }, ready)).rejects.toMatchObject({ exit: 'usage' })
  },
)

test('the devnet’s accounts are for devnets', async () => {
  const asked = chosenAccount({ account: '1' }, { devnet: false } as HeadReady)
  await expect(asked).rejects.toMatchObject({ code: 'ACCOUNT_MISSING', next: 'pass --account-key FILE' })
})

const address = `0x${'11'.repeat(20)}`
test.each([
  ['not JSON', 'it is not JSON'],
  ['[]', 'the file: '],
  [JSON.stringify({ rpcUrl: 'x', chainId: 1, escrow: address, token: address }), 'rpcUrl: '],
  [JSON.stringify({ rpcUrl: 'file:///x', chainId: 1, escrow: address, token: address }), 'rpcUrl: '],
  [JSON.stringify({ rpcUrl: 'http://x', chainId: 0, escrow: address, token: address }), 'chainId: '],
  [JSON.stringify({ rpcUrl: 'http://x', chainId: 1, escrow: '0x1', token: address }), 'escrow: '],
  [JSON.stringify({ rpcUrl: 'http://x', chainId: 1, escrow: address, token: address, x: 1 }), 'the file: '],
  [
    JSON.stringify({ rpcUrl: 'http://x', chainId: 1, escrow: address, token: address, confirmations: -1 }),
    'confirmations: ',
  ],
])('a chain file that is wrong is refused with its reason: %s', async (text, reason) => {
  await expect(readChainFile(await fileOf(text))).rejects.toMatchObject({
    code: 'CHAIN_FILE_INVALID',
    exit: 'usage',
    message: expect.stringContaining(`does not describe a chain: ${reason}`),
  })
})

test('a chain file that is not there', async () => {
  await expect(readChainFile(path.join(folder, 'none'))).rejects.toMatchObject({
    message: expect.stringContaining('cannot be read (ENOENT)'),
  })
})
