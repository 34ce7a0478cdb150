import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { renderApiPage } from './api-page.ts'

test('docs/api.md is what the head serves: `node docs/generate-api.ts` writes it again', async () => {
  const committed = await readFile(new URL('./api.md', import.meta.url), 'utf8')
  expect(committed).toBe(renderApiPage())
})
