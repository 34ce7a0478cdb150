// Runs before `npm start` and `npm test`, possibly on a Node older than the product's own: installs the
// locked dependencies when they are missing or when the lockfile has changed since they were installed.
const { existsSync, statSync } = require('node:fs')
const { spawnSync } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..')
const installed = path.join(root, 'node_modules', '.package-lock.json')
const locked = path.join(root, 'package-lock.json')

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(locked).mtimeMs) {
  process.stderr.write('murmur: installing dependencies (npm ci) …\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // npm's own report goes to stderr, so that stdout stays the command's data.
  const { status } = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(status === null ? 1 : status)
}
