import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { glibcTunables, tunablesFor } from './allocator.cjs'
import { nodeEnvironment } from './spawn-node.ts'

test('nodes ask for huge pages and keep their memory, unless their user has tuned the allocator', () => {
  expect(nodeEnvironment({ HOME: '/root' })).toEqual({
    ...{ HOME: '/root', NODE_NO_WARNINGS: '1' },
    GLIBC_TUNABLES: glibcTunables(),
  })
  expect(nodeEnvironment({ GLIBC_TUNABLES: '' }).GLIBC_TUNABLES).toBe('')
})

test.each([
  ['2.36', true],
  ['2.35', true],
  ['3.0', true],
  ['2.34', false],
  [undefined, false],
])('memory stays with a node only where glibc can be told so: %s', (version, keeps) => {
  const tunables = tunablesFor(version).split(':')
  expect(tunables[0]).toBe('glibc.malloc.hugetlb=1')
  expect(tunables.length).toBe(keeps ? 4 : 1)
})

test.each([
  'Dockerfile',
  'systemd/murmur-head.service',
  'systemd/murmur-standby.service',
  'systemd/murmur-worker@.service',
])('deploy/%s tunes the allocator as a node that is launched does', async (file) => {
  const text = await readFile(path.join(import.meta.dirname, '../deploy', file), 'utf8')
  expect(/GLIBC_TUNABLES=(\S+)/.exec(text)?.[1]).toBe(tunablesFor('2.36'))
})
