import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { demoCommand } from './demo-command.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-demo-'))
})
afterAll(() => rm(home, { recursive: true }))

test.each([
  [{ workers: '0' }, 'COUNT_INVALID'],
  [{ workers: 'abc' }, 'COUNT_INVALID'],
  [{ workers: '1000' }, 'COUNT_INVALID'],
  [{ epochs: '-1' }, 'COUNT_INVALID'],
  [{ seed: 'x' }, 'COUNT_INVALID'],
  [{ data: 'none.txt' }, 'DATA_MISSING'],
  [{ data: import.meta.dirname }, 'DATA_NOT_A_FILE'],
  [{ data: '/dev/null' }, 'DATA_NOT_A_FILE'],
])('the demo refuses %j before it starts anything', async (wrong, code) => {
  const options = { workers: '1', epochs: '1', seed: '0', home, ...wrong }
  await expect(demoCommand(options)).rejects.toMatchObject({ code, exit: 'usage' })
  expect(await readdir(home)).toEqual([])
})
