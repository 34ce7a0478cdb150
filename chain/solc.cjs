#!/usr/bin/env node
// The Solidity compiler from npm (solcjs) behind the two command-line arguments that forge uses, so that forge needs
// no native solc and no download: the compiler's version is the lockfile's.
const { readFileSync } = require('node:fs')
const solc = require('solc')

const versionFlags = ['--version', '-V']
if (process.argv.some((argument) => versionFlags.includes(argument))) {
  // forge parses a native build's version line: it does not know Emscripten's.
  const version = solc.version().replace('.Emscripten.clang', '.Linux.g++')
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`)
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write(
    `solc.cjs answers --version and --standard-json, not: ${process.argv.slice(2).join(' ')}\n`,
  )
  process.exitCode = 1
}
