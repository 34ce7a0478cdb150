import { expect, test } from 'vitest'
import { nodeEnvironment } from './spawn-node.ts'

test('nodes ask for huge pages, unless their user has tuned the allocator', () => {
  expect(nodeEnvironment({ HOME: '/root' })).toEqual({
    ...{ HOME: '/root', NODE_NO_WARNINGS: '1' },
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  })
  expect(nodeEnvironment({ GLIBC_TUNABLES: '' }).GLIBC_TUNABLES).toBe('')
})
