import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compileToTypeScript, generatedPath } from './compile.ts'
import { runEscrowBytecode } from './generated/run-escrow.ts'
import { workerStakeBytecode } from './generated/worker-stake.ts'

const repository = path.join(import.meta.dirname, '..')

test('the committed ABIs and bytecode are those of the contracts', { timeout: 180_000 }, () => {
  for (const [file, text] of compileToTypeScript()) {
    expect(readFileSync(generatedPath(file), 'utf8') === text, `${file}: run node chain/compile.ts`).toBe(
      true,
    )
  }
})

// Unit, fuzz and invariant tests of the contracts are Solidity and run in forge's EVM.
test('the contracts pass their forge tests', { timeout: 300_000 }, () => {
  const { status, stdout, stderr, error } = spawnSync(
    path.join(repository, 'node_modules/.bin/forge'),
    ['test', '--color', 'never'],
    {
      cwd: repository,
      env: { ...process.env, FOUNDRY_CONFIG: 'chain/foundry.toml' },
      encoding: 'utf8',
      timeout: 290_000,
    },
  )
  expect(status, `${error ?? ''}\n${stdout}\n${stderr}`).toBe(0)
  expect(stdout).toContain('invariant_theBooksBalance')
  expect(stdout).toContain('invariant_everyStakeIsThere')

  for (const [name, deployed] of [
    ['RunEscrow', runEscrowBytecode],
    ['WorkerStake', workerStakeBytecode],
  ] as const) {
    const artifact = path.join(repository, `chain/out/${name}.sol/${name}.json`)
    const tested = JSON.parse(readFileSync(artifact, 'utf8')) as { bytecode: { object: string } }
    expect(tested.bytecode.object === deployed, `${name}: what forge tested is what is deployed`).toBe(true)
  }
})
