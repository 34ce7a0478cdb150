import { convolutionCases } from './cases/convolution.ts'
import { testGradients } from './cases/gradient-case.ts'

testGradients(convolutionCases)
