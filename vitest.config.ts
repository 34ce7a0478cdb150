import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'chain/out/**'],
    // Real chains, networks and processes: slow on a busy host is not wrong.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // As cli/murmur.cjs, for the threads of engines.
    execArgv: ['--wasm-wrapper-tiering-budget=2000000000'],
    // As worker/engine/no-telemetry.ts, for tests that use onnxruntime without an engine.
    env: { ORT_DISABLE_TELEMETRY: '1' },
  },
})
