// Run by `npm run lock`. Where a registry lacks the builds of a tool for other platforms, npm leaves them out of the
// lockfile and then refuses that lockfile (`npm ci`: "Missing: … from lock file"). This adds them by name and version,
// as optional and for their own platform only, so that one lockfile serves every platform.
const { readFileSync, writeFileSync } = require('node:fs')
const path = require('node:path')

const file = path.join(__dirname, '..', 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const processors = [
  'arm64',
  'arm',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]

let added = 0
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${place}/node_modules/${name}`
    const hoisted = `node_modules/${name}`
    if (lock.packages[nested] || lock.packages[hoisted] || !/^\d/.test(version)) continue
    const words = name.split(/[/-]/)
    const os = systems.find((system) => words.includes(system))
    const cpu = processors.find((processor) => words.includes(processor))
    if (os === undefined || cpu === undefined) continue
    const libc = words.some((word) => word.startsWith('musl')) ? ['musl'] : undefined
    lock.packages[hoisted] = { version, cpu: [cpu], dev: entry.dev, libc, optional: true, os: [os] }
    added++
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(sorted)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stderr.write(`completed the lockfile with ${added} builds for other platforms\n`)
