import { expect, test } from 'vitest'
import { complies, fingerprint, trained } from './compliance.ts'
import { compliesInHalf } from './half-compliance.ts'
import { ortWasmEngine } from './ort-wasm.ts'

complies(ortWasmEngine(), { tolerance: 0 })
compliesInHalf(ortWasmEngine())

test('its bits are the same on every host: these ones', async () => {
  const spec = { preset: 'gpt', layers: 1, width: 16, heads: 2, context: 8, batch: 2 } as const
  const { state } = await trained(ortWasmEngine(), spec, 20)
  expect(fingerprint(state)).toMatchInlineSnapshot(
    `"20 292b2b602f5dc19a290e8759a2b9c78c0694f79c524353dd12042cec1c3c1a07 9cd29c91a2f69ac11a2df0230d7073c566378ec28097cd97c7cb1bd0395c5bb1 a51e63cdd4543c1d0218a1e2417a10d1fa9af0ac08069ab406fd4be41c33c533"`,
  )
})
