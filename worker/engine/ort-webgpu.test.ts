import { test } from 'vitest'
import { complies } from './compliance.ts'
import { missingFor } from './engines.ts'
import { compliesInHalf } from './half-compliance.ts'
import { ortGpuEngine } from './ort-gpu.ts'

const missing = await missingFor('ort-webgpu')
if (missing === null) {
  complies(ortGpuEngine('ort-webgpu'), { tolerance: 1e-4 })
  compliesInHalf(ortGpuEngine('ort-webgpu'))
} else test.skip(`ort-webgpu: skipped, ${missing.reason}; ${missing.fix}`, () => {})
