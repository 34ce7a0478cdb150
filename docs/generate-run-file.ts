/**
 * Writes docs/run-file.md from the schema that run files are validated with. Usage: node docs/generate-run-file.ts
 */
import { writeFile } from 'node:fs/promises'
import { renderRunFilePage } from './run-file-page.ts'

await writeFile(new URL('./run-file.md', import.meta.url), renderRunFilePage())
