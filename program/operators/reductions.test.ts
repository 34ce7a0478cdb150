import { testGradients } from './cases/gradient-case.ts'
import { reductionCases } from './cases/reductions.ts'

testGradients(reductionCases)
