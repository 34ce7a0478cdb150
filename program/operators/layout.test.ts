import { testGradients } from './cases/gradient-case.ts'
import { layoutCases } from './cases/layout.ts'

testGradients(layoutCases)
