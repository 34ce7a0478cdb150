import { testGradients } from './cases/gradient-case.ts'
import { pointwiseCases } from './cases/pointwise.ts'

testGradients(pointwiseCases)
