import { testGradients } from './cases/gradient-case.ts'
import { normalizationCases } from './cases/normalization.ts'

testGradients(normalizationCases)
