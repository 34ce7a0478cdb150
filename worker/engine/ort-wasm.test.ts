import { expect, test } from 'vitest'
import { complies, fingerprint, trained } from './compliance.ts'
import { ortWasmEngine } from './ort-wasm.ts'

complies(ortWasmEngine(), { tolerance: 0 })

test('its bits are the same on every host: these ones', async () => {
  const spec = { preset: 'gpt', layers: 1, width: 16, heads: 2, context: 8, batch: 2 } as const
  const { state } = await trained(ortWasmEngine(), spec, 20)
  expect(fingerprint(state)).toMatchInlineSnapshot(
    `"20 04171e96e1e0a669d955d2893fd831aee1e1a1354c22fa5bef67c85ec667f62e ad3032455e3e855078429cc05f7d82577e4ffa1bc9b9e1a8841cd79a1825779d 2009bb415462f97c7c7ecb7bbdcb8d6829ce8cc9502591dbb1b56bc4cab0e3bf"`,
  )
})
