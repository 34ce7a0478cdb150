import { expect, test } from 'vitest'
import { devAccount } from './devnet.ts'
import { signPayoutBinding, verifyPayoutBinding } from './payout-binding.ts'

const owner = devAccount(3)
const binding = { peerId: '12D3KooWGRUa', cluster: 'garden' }

test('a binding recovers to the account that signed it', async () => {
  const signature = await signPayoutBinding(owner, binding)
  expect(await verifyPayoutBinding(binding, signature, owner.address)).toBe(owner.address)
})

test('a signature serves no other peer, cluster or address', async () => {
  const signature = await signPayoutBinding(owner, binding)
  const refusal = { code: 'PAYOUT_BINDING_INVALID', exit: 'auth' }
  const cases = [
    [{ ...binding, peerId: '12D3KooWThief' }, owner.address],
    [{ ...binding, cluster: 'forest' }, owner.address],
    [{ peerId: binding.peerId }, owner.address],
    [binding, devAccount(4).address],
  ] as const
  for (const [other, address] of cases) {
    await expect(verifyPayoutBinding(other, signature, address)).rejects.toMatchObject(refusal)
  }
  await expect(verifyPayoutBinding(binding, '0x1234', owner.address)).rejects.toMatchObject(refusal)
})
