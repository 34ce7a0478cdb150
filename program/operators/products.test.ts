import { testGradients } from './cases/gradient-case.ts'
import { productCases } from './cases/products.ts'

testGradients(productCases)
