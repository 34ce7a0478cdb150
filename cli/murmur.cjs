#!/usr/bin/env node
// The `murmur` command. Plain CommonJS that old Nodes can run: the rest of murmur needs Node's type stripping. Where the
// Node that runs this is too old, the one that murmur's dependencies bring (the npm package `node`) takes over.
'use strict'

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const needed = [24, 9]

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/** The program of the `node` package, which installs it beside its package.json. */
function bundledNode() {
  try {
    const folder = path.dirname(require.resolve('node/package.json', { paths: [__dirname] }))
    const file = path.join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return fs.existsSync(file) ? file : undefined
  } catch (_) {
    return undefined
  }
}

function refuse() {
  const message = `murmur needs Node ${needed.join('.')} or newer, this is ${process.versions.node}`
  const next = 'install a newer Node, or run `npm ci` in the folder of murmur, which brings its own'
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { code: 'NODE_TOO_OLD', message, next } })}\n`)
  else process.stderr.write(`murmur: NODE_TOO_OLD: ${message}\n  next: ${next}\n`)
  process.exitCode = 9
}

function handOver(node) {
  const { glibcTunables } = require('./allocator.cjs')
  const env = Object.assign({ GLIBC_TUNABLES: glibcTunables() }, process.env)
  const child = spawn(node, [__filename].concat(process.argv.slice(2)), { stdio: 'inherit', env })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal's Ctrl-C reaches both by itself, and a second one would mean "at once".
    process.on(name, () => (name === 'SIGINT' && process.stdin.isTTY) || child.kill(name))
  }
  child.on('error', refuse)
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

/**
 * Node strips types with WebAssembly, on every thread. Where threads recompile what it calls at once, V8 may free a wrapper that
 * another thread runs, and the process dies (docs/decisions/2026-11-23-a-test-process-that-dies.md): never recompiled, none is freed.
 */
const wrappersStay = '--wasm-wrapper-tiering-budget=2000000000'

/** What Node has compiled once, types stripped, is kept beside the installation: a start takes half the time. */
function start() {
  require('node:v8').setFlagsFromString(wrappersStay)
  require('node:module').enableCompileCache(
    path.join(__dirname, '..', 'node_modules', '.cache', 'murmur', 'compile'),
  )
  void import('./main.ts')
}

if (isNewEnough(process.versions.node)) start()
else if (bundledNode() === undefined) refuse()
else handOver(bundledNode())
