import { arithmeticCases } from './cases/arithmetic.ts'
import { testGradients } from './cases/gradient-case.ts'

testGradients(arithmeticCases)
