// How a node's C library is told to keep memory: before the process starts, so whoever starts one says it. Plain CommonJS for
// cli/murmur.cjs, which old Nodes run.
'use strict'

/** Huge pages where the kernel gives them when asked. */
const hugePages = 'glibc.malloc.hugetlb=1'

/**
 * And what was freed, up to 2 GiB, is kept for what comes next instead of being asked of the kernel anew, page by page: vectors as
 * long as a model come and go with every step and round (docs/performance.md). One arena, as another's pieces have at most 64 MiB.
 */
const keeping = [
  hugePages,
  'glibc.malloc.mmap_threshold=4294967296',
  'glibc.malloc.trim_threshold=2147483648',
  'glibc.malloc.arena_max=1',
].join(':')

/** Of `GLIBC_TUNABLES`. Before 2.35 glibc refuses so high a threshold, and without it the others would cost more than they save. */
exports.tunablesFor = function tunablesFor(glibcVersion) {
  const [major, minor] = String(glibcVersion).split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 35) ? keeping : hugePages
}

let known

/** Those of this host. */
exports.glibcTunables = function glibcTunables() {
  if (known === undefined) {
    const { report } = process
    // Else it asks for the names of all peers.
    report.excludeNetwork = true
    known = exports.tunablesFor(report.getReport().header.glibcVersionRuntime)
  }
  return known
}
