import { test } from 'vitest'
import { complies } from './compliance.ts'
import { missingFor } from './engines.ts'
import { compliesInHalf } from './half-compliance.ts'
import { ortGpuEngine } from './ort-gpu.ts'

const missing = await missingFor('ort-cuda')
if (missing === null) {
  complies(ortGpuEngine('ort-cuda'), { tolerance: 1e-4 })
  compliesInHalf(ortGpuEngine('ort-cuda'))
} else test.skip(`ort-cuda: skipped, ${missing.reason}; ${missing.fix}`, () => {})
