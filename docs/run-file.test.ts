import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { renderRunFilePage } from './run-file-page.ts'

test('docs/run-file.md is what the schema says: `node docs/generate-run-file.ts` writes it again', async () => {
  const committed = await readFile(new URL('./run-file.md', import.meta.url), 'utf8')
  expect(committed).toBe(renderRunFilePage())
})
