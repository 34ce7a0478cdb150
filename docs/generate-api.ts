/**
 * Writes docs/api.md from the routes that the head serves. Usage: node docs/generate-api.ts
 */
import { writeFile } from 'node:fs/promises'
import { renderApiPage } from './api-page.ts'

await writeFile(new URL('./api.md', import.meta.url), renderApiPage())
