import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(import.meta.url)
const contractsFolder = path.join(import.meta.dirname, 'contracts')
const generatedFolder = path.join(import.meta.dirname, 'generated')

/** The contracts that are deployed: source name, and the prefix of the exports in its generated file. */
const contracts = [
  { name: 'RunEscrow', file: 'run-escrow.ts', prefix: 'runEscrow' },
  { name: 'WorkerStake', file: 'worker-stake.ts', prefix: 'workerStake' },
  { name: 'DevToken', file: 'dev-token.ts', prefix: 'devToken' },
] as const

/** Must equal the settings in `foundry.toml`, so that what is tested is what is deployed. */
const settings = {
  evmVersion: 'cancun',
  optimizer: { enabled: true, runs: 200 },
  // Without the metadata hash the bytecode depends on the code alone, not on comments or paths.
  metadata: { appendCBOR: false, bytecodeHash: 'none' },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
}

interface SolcOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[]
  readonly contracts: Record<
    string,
    Record<
      string,
      { readonly abi: unknown; readonly evm: { readonly bytecode: { readonly object: string } } }
    >
  >
}

/** Ours beside the contracts, OpenZeppelin's in node_modules. */
const sourcePath = (name: string): string =>
  name.startsWith('@') ? require.resolve(name) : path.join(contractsFolder, name)

function compileContracts(): SolcOutput {
  const solc = require('solc') as {
    compile(input: string, callbacks: { import(name: string): { contents: string } }): string
  }
  const sources = Object.fromEntries(
    contracts.map(({ name }) => [
      `${name}.sol`,
      { content: readFileSync(path.join(contractsFolder, `${name}.sol`), 'utf8') },
    ]),
  )
  const input = JSON.stringify({ language: 'Solidity', sources, settings })
  const output = JSON.parse(
    solc.compile(input, { import: (name) => ({ contents: readFileSync(sourcePath(name), 'utf8') }) }),
  ) as SolcOutput
  const problems = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.formattedMessage).join('\n'))
  return output
}

/**
 * Compiles the contracts with the locked solcjs. Returns the text of each file of `generated/` by name.
 * Throws with the compiler's own messages.
 */
export function compileToTypeScript(): ReadonlyMap<string, string> {
  const output = compileContracts()
  return new Map(
    contracts.map(({ name, file, prefix }) => {
      const contract = output.contracts[`${name}.sol`]![name]!
      const text = [
        `// Written by chain/compile.ts from contracts/${name}.sol: do not edit.`,
        `export const ${prefix}Abi = ${JSON.stringify(contract.abi, null, 2)} as const`,
        '',
        `export const ${prefix}Bytecode = '0x${contract.evm.bytecode.object}'`,
        '',
      ]
      return [file, text.join('\n')]
    }),
  )
}

/** The folder that holds the committed output of {@link compileToTypeScript}. */
export const generatedPath = (file: string): string => path.join(generatedFolder, file)

if (import.meta.main) {
  for (const [file, text] of compileToTypeScript()) {
    writeFileSync(generatedPath(file), text)
    process.stdout.write(`${generatedPath(file)}\n`)
  }
}
